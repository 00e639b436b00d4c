(() => {
  'use strict';
  const report = JSON.parse(document.getElementById('data').textContent);
  const root = document.getElementById('drawn');
  const colours = ['#4477aa', '#ee6677', '#228833', '#ccaa33', '#33aacc', '#aa3377', '#999999', '#ee8866', '#6a6ac8', '#44aa88'];
  const colour = i => colours[i % colours.length];
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const plots = [];

  // Names come from recipes and models: they only ever become text, never markup.
  const element = (tag, parent, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    if (parent) parent.appendChild(made);
    return made;
  };

  const section = (id, title) => {
    const made = element('section', root);
    made.id = id;
    element('h2', made, title);
    return made;
  };

  // One button for each value; the pressed one is shown.
  const choice = (parent, values, show) => {
    const bar = element('div', parent, undefined, 'choice');
    const press = pressed => {
      [...bar.children].forEach((button, i) => button.setAttribute('aria-pressed', String(i === pressed)));
      show(pressed);
    };
    values.forEach((value, i) => {
      const button = element('button', bar, value);
      button.type = 'button';
      button.addEventListener('click', () => press(i));
    });
    bar.hidden = values.length < 2;
    return press;
  };

  const short = value => {
    if (value === 0) return '0';
    const size = Math.abs(value);
    return size < 1e-3 || size >= 1e6 ? value.toExponential(1) : String(+value.toPrecision(4));
  };

  const axes = (x, y) => [x, y].map((label, side) => ({
    label,
    stroke: () => css('--soft'),
    grid: { stroke: () => css('--line'), width: 1 },
    ticks: { stroke: () => css('--line'), width: 1 },
    size: side === 0 ? 42 : 62,
    labelSize: 20,
    values: (_, ticks) => ticks.map(tick => tick === null ? '' : short(tick)),
  }));

  const plot = (parent, options, data) => {
    const made = new uPlot({
      width: Math.max(260, parent.clientWidth),
      height: Math.min(420, Math.max(280, window.innerHeight * 0.5)),
      ...options,
    }, data, parent);
    plots.push({ made, parent });
    return made;
  };

  const clear = parent => {
    for (let i = plots.length - 1; i >= 0; i--) {
      if (plots[i].parent === parent) plots.splice(i, 1)[0].made.destroy();
    }
    parent.replaceChildren();
  };

  const texts = [...new Set(report.sources.flatMap(s => s.outputs.flatMap(o => o.measurements.map(m => m.text))))];
  const measured = (source, text) => source.outputs.flatMap(o =>
    o.measurements.filter(m => m.text === text).map(m => ({ output: o, m })));

  // ---- size against quality: every output of every source, with error bars
  const qualities = [
    { name: 'KL divergence', label: 'mean KL divergence (nats)', of: m => m.kld },
    { name: 'perplexity', label: 'perplexity over its base\u2019s', of: m => m.ppl_ratio },
    { name: 'same top token', label: 'same top token (%)', of: m => ({ value: 100 * m.same_top.value, error: 100 * m.same_top.error }) },
  ];

  const drawQuality = (parent, text, quality, log) => {
    clear(parent);
    const sources = report.sources.filter(s => measured(s, text).length > 0);
    const points = sources.flatMap((s, series) => measured(s, text).map(({ output, m }) => (
      { series, x: output.file.bytes / 1e6, ...quality.of(m), name: output.name })))
      .filter(p => !log || p.value > 0)
      .sort((a, b) => a.x - b.x);
    const data = [points.map(p => p.x), ...sources.map((_, i) => points.map(p => p.series === i ? p.value : null))];
    const mark = u => {
      const ctx = u.ctx;
      ctx.save();
      ctx.beginPath();
      ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
      ctx.clip();
      ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
      const low = u.scales.y.min;
      const line = 14 * devicePixelRatio;
      const labels = [];
      points.forEach(p => {
        if (!u.series[p.series + 1].show) return;
        const x = u.valToPos(p.x, 'x', true);
        const at = v => u.valToPos(log ? Math.max(v, low) : v, 'y', true);
        ctx.strokeStyle = colour(p.series);
        ctx.lineWidth = 1.5 * devicePixelRatio;
        ctx.beginPath();
        ctx.moveTo(x, at(p.value - p.error));
        ctx.lineTo(x, at(p.value + p.error));
        ctx.stroke();
        const right = x > u.bbox.left + 0.75 * u.bbox.width;
        ctx.textAlign = right ? 'right' : 'left';
        ctx.fillStyle = css('--ink');
        // A name that would cover another stands above it; the same name in the same place stands there once.
        const width = ctx.measureText(p.name).width;
        const left = right ? x - width : x;
        let y = at(p.value) - 5 * devicePixelRatio;
        const point = at(p.value);
        if (labels.some(l => l.name === p.name && Math.hypot(l.x - x, l.point - point) < line)) return;
        const covers = l => l.left < left + width && left < l.left + l.width && Math.abs(l.y - y) < line;
        while (labels.some(covers) && y > u.bbox.top + line) y -= line;
        labels.push({ left, width, y, x, point, name: p.name });
        ctx.fillText(p.name, x + (right ? -7 : 7) * devicePixelRatio, y);
      });
      ctx.restore();
    };
    const xs = points.map(p => p.x);
    const pad = Math.max(0.05 * (Math.max(...xs) - Math.min(...xs)), 0.01 * Math.max(...xs));
    const ys = points.flatMap(p => [p.value - p.error, p.value + p.error]);
    const margin = 0.08 * (Math.max(...ys) - Math.min(...ys)) || Math.abs(ys[0]) * 0.05 || 1;
    const y = log ? { distr: 3 } : { range: [Math.min(...ys) - margin, Math.max(...ys) + margin] };
    if (points.length === 0) {
      element('p', parent, 'No output has a positive value to show on a logarithmic scale.', 'hint');
      return;
    }
    plot(parent, {
      scales: { x: { time: false, range: [Math.min(...xs) - pad, Math.max(...xs) + pad] }, y },
      axes: axes('size (MB)', quality.label),
      series: [
        { label: 'size', value: (_, v) => v === null ? '\u2013' : `${v.toFixed(2)} MB` },
        ...sources.map((s, i) => ({
          label: s.name, stroke: colour(i), fill: colour(i), paths: () => null,
          points: { show: true, size: 9, fill: colour(i) },
          value: (_, v) => v === null || v === undefined ? '\u2013' : short(v),
        })),
      ],
      hooks: { draw: [mark] },
    }, data);
  };

  // ---- curves: perplexity window by window, divergence by share of positions
  const curves = (parent, label, x, xLabel, lines, log) => {
    clear(parent);
    plot(parent, {
      scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
      axes: axes(xLabel, label),
      series: [
        { label: xLabel, value: (_, v) => v === null ? '\u2013' : short(v) },
        ...lines.map((line, i) => ({
          label: line.name, stroke: line.base ? () => css('--ink') : colour(i), width: 2, dash: line.base ? [6, 4] : undefined,
          points: { show: x.length < 3 },
          value: (_, v) => v === null || v === undefined ? '\u2013' : short(v),
        })),
      ],
    }, [x, ...lines.map(line => line.values)]);
  };

  const drawRunning = (parent, source, text) => {
    const found = measured(source, text);
    const x = found[0].m.running_ppl.map((_, i) => i + 1);
    const lines = found.map(({ output, m }) => ({ name: output.name, values: m.running_ppl }));
    lines.push({ name: `base: ${found[0].m.base}`, values: found[0].m.running_ppl_base, base: true });
    curves(parent, 'perplexity so far', x, 'window', lines, false);
  };

  const drawPercentiles = (parent, source, text, log) => {
    const found = measured(source, text);
    const shares = found[0].m.kld_percentiles.map(p => p.share);
    // Evenly spaced by rank: the tail is what matters.
    clear(parent);
    const x = shares.map((_, i) => i);
    const lines = found.map(({ output, m }) => ({
      name: output.name, values: m.kld_percentiles.map(p => log && p.value <= 0 ? null : p.value) }));
    const named = axes('share of positions at or below (%)', 'KL divergence (nats)');
    const shown = i => shares[i] === undefined ? '' : short(100 * shares[i]);
    const narrow = parent.clientWidth < 500;
    named[0].values = (_, ticks) => ticks.map(i => narrow && i % 2 === 1 ? '' : shown(i));
    named[0].splits = () => x;
    plot(parent, {
      scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
      axes: named,
      series: [
        { label: 'share (%)', value: (_, v) => v === null ? '\u2013' : shown(v) },
        ...lines.map((line, i) => ({
          label: line.name, stroke: colour(i), width: 2, points: { show: true, size: 5 },
          value: (_, v) => v === null || v === undefined ? '\u2013' : short(v),
        })),
      ],
    }, [x, ...lines.map(line => line.values)]);
  };

  // ---- heat maps: figures of tensors by layer and role
  const place = name => {
    const layer = /^blk\.(\d+)\.(.+?)(\.weight|\.bias)?$/.exec(name);
    return layer ? { layer: +layer[1], role: layer[2] + (layer[3] === '.bias' ? '.bias' : '') }
      : { layer: -1, role: name.replace(/\.weight$/, '') };
  };

  // Of each figure: its tensor, words, share of the colour from 0 to 1, and a class if it has one.
  const heatMap = (parent, figures, full, hint) => {
    parent.replaceChildren();
    const placed = figures.map(f => ({ ...f, ...place(f.tensor) }));
    const layers = [...new Set(placed.map(f => f.layer))].sort((a, b) => a - b);
    const roles = [...new Set(placed.map(f => f.role))];
    const said = element('p', null, 'Each square is a tensor: choose one.', 'said hint');
    const wide = element('div', parent, undefined, 'wide');
    const grid = element('div', wide, undefined, 'heat');
    grid.style.gridTemplateColumns = `max-content repeat(${layers.length}, minmax(1.1rem, 2.2rem))`;
    element('div', grid, '', 'role');
    layers.forEach(layer => element('div', grid, layer < 0 ? '\u2013' : String(layer), 'layer'));
    roles.forEach(role => {
      element('div', grid, role, 'role');
      layers.forEach(layer => {
        const figure = placed.find(f => f.role === role && f.layer === layer);
        if (!figure) {
          element('div', grid, '');
          return;
        }
        const cell = element('button', grid, undefined, figure.className);
        cell.type = 'button';
        cell.style.background = `color-mix(in oklab, var(--band), ${full} ${(100 * figure.share).toFixed(1)}%)`;
        cell.setAttribute('aria-label', figure.words);
        const say = () => { said.textContent = figure.words; said.className = 'said'; };
        ['click', 'focus', 'pointerenter'].forEach(event => cell.addEventListener(event, say));
      });
    });
    parent.appendChild(said);
    element('p', parent, `${hint} Columns are layers; \u2013 stands for tensors outside them.`, 'hint');
  };

  const drawErrors = (parent, output) => {
    const worst = Math.max(...output.tensor_errors.map(e => e.relative), 1e-12);
    heatMap(parent, output.tensor_errors.map(e => ({
      tensor: e.tensor,
      share: Math.sqrt(e.relative / worst),
      words: `${e.tensor}: ${e.type}, relative error ${short(100 * e.relative)} %, RMSE ${short(e.rmse)}, `
        + `largest ${short(e.max)}, cosine ${e.cosine.toFixed(6)}`,
    })), '#d1495b', `Darkest: a relative error of ${short(100 * worst)} %. The colour grows with the square root.`);
  };

  // ---- heat map: what choosing codes together has gained
  const gains = output => output.codes_chosen_together || [];

  const drawGains = (parent, output) => {
    heatMap(parent, gains(output).map(g => {
      const ratio = g.layer_error_compensated / (g.layer_error_reference || 1);
      const kept = g.kept === 0 ? 'the reference\u2019s codes stayed' : g.kept < 1 ? `kept in ${short(100 * g.kept)} %` : 'kept';
      return {
        tensor: g.tensor,
        share: g.kept > 0 ? Math.max(0, 1 - ratio) : 0,
        className: g.kept > 0 ? undefined : 'stayed',
        words: `${g.tensor}: ${g.type}, layer error ${short(g.layer_error_reference)} with the reference\u2019s codes, `
          + `${short(g.layer_error_compensated)} with those chosen together (${ratio.toFixed(3)}), ${kept}`,
      };
    }), '#228833', 'Squared errors of layers\u2019 outputs on text held back, as parts of what they should be. Full colour: '
      + 'nothing is left of the reference\u2019s error; none: all of it; dashed: the reference\u2019s codes did better and stayed.');
  };

  // ---- types that were chosen for a size
  const drawTypes = (parent, output) => {
    const chosen = output.allocation;
    const bits = Object.fromEntries(output.mix.map(m => [m.type, 8 * m.bytes / m.parameters]));
    const most = Math.max(...chosen.tensors.map(t => bits[t.type] || 0), 1e-12);
    heatMap(parent, chosen.tensors.map(t => ({
      tensor: t.name,
      share: (bits[t.type] || 0) / most,
      words: `${t.name}: ${t.type}, ${t.bytes} bytes; ${t.because}`,
    })), '#4477aa', `Darkest: ${short(most)} bits for a weight.`);
    table(parent, ['', 'bytes', 'bits/weight', 'predicted KLD', 'gap at most'], chosen.frontier.map(p => [
      p.bytes === chosen.bytes ? chosen.target : '', String(p.bytes), p.bits_per_weight.toFixed(3), p.kld.toExponential(3),
      p.gap === 0 ? 'none' : `${short(100 * p.gap)} %`]));
  };

  // ---- what types an output is made of
  const drawMix = (parent, source) => {
    parent.replaceChildren();
    const types = [...new Set(source.outputs.flatMap(o => o.mix.map(m => m.type)))].sort();
    const grid = element('div', parent, undefined, 'mix');
    source.outputs.filter(o => o.mix.length > 0).forEach(output => {
      element('div', grid, output.name);
      const bar = element('div', grid, undefined, 'bar');
      const total = output.mix.reduce((sum, m) => sum + m.bytes, 0);
      output.mix.forEach(share => {
        const part = element('div', bar);
        part.style.width = `${100 * share.bytes / total}%`;
        part.style.background = colour(types.indexOf(share.type));
        part.title = `${share.type}: ${share.tensors} tensors, ${share.parameters} parameters, ${(share.bytes / 1e6).toFixed(2)} MB`;
      });
    });
    const keys = element('p', parent);
    types.forEach((type, i) => {
      const key = element('span', keys, undefined, 'key');
      element('i', key).style.background = colour(i);
      element('span', key, type);
    });
  };

  const table = (parent, header, rows) => {
    const wide = element('div', parent, undefined, 'wide');
    const made = element('table', wide);
    const head = element('tr', element('thead', made));
    header.forEach(name => element('th', head, name));
    const body = element('tbody', made);
    rows.forEach(row => {
      const line = element('tr', body);
      row.forEach(cell => element('td', line, cell));
    });
  };

  // ---- the page
  const build = () => {
    if (texts.length > 0) {
      const quality = section('quality', 'Size against quality');
      const state = { text: 0, quality: 0, log: 0 };
      let parent;
      const draw = () => parent && drawQuality(parent, texts[state.text], qualities[state.quality], state.log === 1);
      const starts = [
        choice(quality, texts, i => { state.text = i; draw(); }),
        choice(quality, qualities.map(q => q.name), i => { state.quality = i; draw(); }),
        choice(quality, ['linear', 'logarithmic'], i => { state.log = i; draw(); }),
      ];
      const made = element('div', quality, undefined, 'plot');
      starts.forEach(start => start(0));
      element('p', quality, 'Bars are one standard error, positions taken as independent.', 'hint');
      parent = made;
      draw();
    }
    const shown = report.sources.filter(s => s.outputs.some(o => o.file));
    if (shown.length > 0) {
      const source = section('source', 'Source by source');
      const state = { source: 0, text: 0, log: 0, output: 0 };
      const details = element('div');
      const draw = () => {
        clear(details);
        const of = shown[state.source];
        const withText = texts.filter(text => measured(of, text).length > 0);
        if (withText.length > 0) {
          const text = withText[Math.min(state.text, withText.length - 1)];
          element('h2', details, 'Perplexity, window by window');
          const running = element('div', details, undefined, 'plot');
          running.id = 'running';
          element('h2', details, 'KL divergence of single positions');
          const scale = choice(details, ['linear', 'logarithmic'], i => {
            state.log = i;
            const at = document.getElementById('percentiles');
            if (at) drawPercentiles(at, of, text, i === 1);
          });
          const percentiles = element('div', details, undefined, 'plot');
          percentiles.id = 'percentiles';
          scale(state.log);
          clear(running);
          drawRunning(running, of, text);
        }
        const ofOneOutput = (title, id, has, drawn) => {
          const outputs = of.outputs.filter(has);
          if (outputs.length === 0) return;
          element('h2', details, title);
          const heat = element('div');
          heat.id = id;
          const press = choice(details, outputs.map(o => o.name), i => drawn(heat, outputs[i]));
          details.appendChild(heat);
          press(outputs.length - 1);
        };
        ofOneOutput('Error of each tensor', 'heat', o => o.tensor_errors.length > 0, drawErrors);
        ofOneOutput('Gain of each tensor', 'gains', o => gains(o).length > 0, drawGains);
        ofOneOutput('Types chosen for a size', 'chosen', o => o.allocation, drawTypes);
        element('h2', details, 'Types by bytes');
        const mix = element('div', details);
        mix.id = 'mix';
        drawMix(mix, of);
        element('h2', details, 'Steps');
        table(details, ['step', 'status', 'seconds'], of.steps.map(s => [s.name, s.status.replace(/_/g, ' '), s.seconds.toFixed(1)]));
      };
      const first = choice(source, shown.map(s => s.name), i => { state.source = i; closeAll(details); draw(); });
      const second = choice(source, texts, i => { state.text = i; closeAll(details); draw(); });
      source.appendChild(details);
      first(0);
      if (texts.length > 1) second(0);
    }
  };

  const closeAll = parent => parent.querySelectorAll('.plot').forEach(clear);

  build();
  const redraw = () => plots.forEach(({ made, parent }) => {
    made.setSize({ width: Math.max(260, parent.clientWidth), height: made.height });
  });
  window.addEventListener('resize', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plots.forEach(({ made }) => made.redraw(false, true)));
  window.quernPlots = plots;
})();
