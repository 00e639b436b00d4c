"""A plot of error against size as SVG, which follows the reader's light or dark colours."""
import math
from html import escape

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 88, 200, 48, 56
# Told apart by shape too; the colours keep a contrast of 3:1 on white and on GitHub's dark grey.
STYLES = [
    ("#8b949e", "circle"),
    ("#d98200", "square"),
    ("#2f81f7", "triangle"),
    ("#2da44e", "diamond"),
    ("#bf5af2", "cross"),
    ("#e5534b", "circle"),
]
STYLE = """\
<style>
  svg { font: 13px system-ui, sans-serif; }
  .ground { fill: #ffffff; }
  .text { fill: #1f2328; }
  .faint { fill: #59636e; }
  .label { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .axis { stroke: #59636e; stroke-width: 1; fill: none; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; }
    .text { fill: #e6edf3; }
    .faint { fill: #9198a1; }
    .label { stroke: #0d1117; }
    .grid { stroke: #30363d; }
    .axis { stroke: #9198a1; }
  }
</style>
"""


def mark(shape, x, y, color):
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{color}"/>'
    if shape == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{color}"/>'
    if shape == "cross":
        lines = f"M{x - 4.5:.1f} {y - 4.5:.1f}l9 9M{x - 4.5:.1f} {y + 4.5:.1f}l9 -9"
        return f'<path d="{lines}" stroke="{color}" stroke-width="2.5" fill="none"/>'
    corners = [(0, -5.5), (5, 4), (-5, 4)] if shape == "triangle" else [(0, -6), (6, 0), (0, 6), (-6, 0)]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{color}"/>'


def ticks(low, high):
    """Round numbers between, five or so."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step = next(step * k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= 6)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def decades(low, high):
    """1, 2 and 5 times the powers of ten between."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [m * 10.0**power for power in powers for m in (1, 2, 5) if low <= m * 10.0**power <= high]


def svg(title, across, up, series):
    """
    series: a name, and points (x, y, label) each; y on a logarithmic scale. Labels stand at the first series that has
    the point's x.
    """
    points = [point for _, group in series for point in group]
    least, most = min(x for x, _, _ in points), max(x for x, _, _ in points)
    # Files of one type differ by some bytes: not worth an axis.
    margin = max(0.06 * (most - least), 0.05 * most)
    low, high = least - margin, most + margin
    bottom, top = min(y for _, y, _ in points) / 1.3, max(y for _, y, _ in points) * 1.5

    def place(x, y):
        share = (math.log(y) - math.log(bottom)) / (math.log(top) - math.log(bottom))
        return (
            LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM),
        )

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
    out += [f"<title>{escape(title)}</title>", STYLE]
    out.append(f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>')
    out.append(f'<text class="text" x="{LEFT}" y="26" font-size="15" font-weight="600">{escape(title)}</text>')
    for y in decades(bottom, top):
        at = place(low, y)[1]
        out.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        out.append(f'<text class="faint" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in ticks(low, high):
        at = place(x, bottom)[0]
        out.append(f'<path class="grid" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        out.append(f'<text class="faint" x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>')
    out.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text class="text" x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">{escape(across)}</text>')
    side = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="rotate(-90 18 {side})"'
    out.append(f'<text class="text" x="18" y="{side}" text-anchor="middle" {turned}>{escape(up)}</text>')
    labels, labelled, taken = [], set(), []
    for number, (name, group) in enumerate(series):
        color, shape = STYLES[number % len(STYLES)]
        places = [(*place(x, y), label) for x, y, label in sorted(group)]
        line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
        out.append(f'<path d="{line}" stroke="{color}" stroke-width="1.5" fill="none" opacity="0.7"/>')
        for x, y, label in places:
            out.append(mark(shape, x, y, color))
            if label and label not in labelled:
                labelled.add(label)
                beside, above = x + 7, y - 7
                # Where another label stands already, this one goes above it.
                while any(abs(beside - left) < 7 * len(label) and abs(above - line) < 12 for left, line in taken):
                    above -= 3
                taken.append((beside, above))
                text = f'<text class="text label" x="{beside:.1f}" y="{above:.1f}" font-size="11">{escape(label)}</text>'
                labels.append(text)
        at = TOP + 12 + 22 * number
        out.append(mark(shape, WIDTH - RIGHT + 20, at, color))
        out.append(f'<text class="text" x="{WIDTH - RIGHT + 32}" y="{at + 4}">{escape(name)}</text>')
    out += [*labels, "</svg>"]
    return "\n".join(out) + "\n"
