package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Dot;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.io.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The forward pass over sequences that grow and that share beginnings: keys and values of every token stay in cells, and
 * a later token looks at the cells of the tokens before it. For writing text token by token, and for scoring several
 * continuations of one beginning. The sums are those of {@link Forward} in another order.
 *
 * <p>One caller at a time. {@link #close} ends the threads; the model stays open.
 */
public final class CachedForward implements AutoCloseable {
    /** Tokens that one call may bring: beyond, nothing is gained (see {@link Forward}). */
    public static final int MOST_TOKENS = 1024;

    private static final int ROWS_PER_TASK = 16;

    /**
     * Tokens that follow each other, and what they follow: the cells {@code from .. to - 1}, in order, as positions 0 …
     * {@code to - from - 1}.
     */
    public record Run(int[] tokens, int from, int to) {
        public Run {
            if (tokens.length == 0 || from < 0 || to < from) {
                throw new IllegalArgumentException(tokens.length + " tokens after " + from + " to " + to);
            }
        }
    }

    private final Hyperparameters sizes;
    private final Weights weights;
    private final OutputHead head;
    private final List<AttentionRule> rules;
    private final Workers workers;
    private final Scratch[] scratch;
    private final Layers layers;
    private final int limit;
    private final float[][] keys;
    private final float[][] values;
    /** Of families without attention: what the sequences that end before a cell hand on, by that cell. */
    private final TreeMap<Integer, Ending> endings = new TreeMap<>();

    private int cells;
    private int capacity;

    private CachedForward(Model model, ForwardPass pass, int limit, int threads) {
        this.sizes = Hyperparameters.of(model, pass);
        this.weights = WeightsReader.read(model, sizes);
        weights.refuseBeyondPositions(model, limit);
        this.head = OutputHead.of(weights, sizes);
        this.limit = limit;
        this.rules = AttentionRule.of(sizes, weights, limit);
        this.scratch = new Scratch[threads];
        Arrays.setAll(scratch, i -> new Scratch(sizes.widest(), sizes.width(), rules.getFirst(), 1));
        this.workers = new Workers(threads, "evaluation");
        this.layers = new Layers(sizes, weights, new Tasks(workers, scratch, new Buffers(), true));
        this.keys = new float[sizes.blocks()][0];
        this.values = new float[sizes.blocks()][0];
    }

    /**
     * @param pass how the model's family computes, as its architecture page says
     * @param positions of a sequence at most
     * @throws InputException when metadata or tensors are not what the forward pass needs, or when tokens see those
     *     after them
     */
    public static CachedForward of(Model model, ForwardPass pass, int positions, int threads) {
        CachedForward forward = new CachedForward(model, pass, positions, threads);
        if (forward.sizes.bidirectional()) {
            forward.close();
            throw InputException.of(
                    model.origin(), "an encoder cannot continue a text: its tokens see those after them");
        }
        return forward;
    }

    /** Tokens in the vocabulary. */
    public int vocabulary() {
        return weights.vocabulary();
    }

    /** Positions that the model was trained with. */
    public static int trainedContext(Model model, ForwardPass pass) {
        return Hyperparameters.of(model, pass).contextLength();
    }

    /** Cells in use; the next call's first token takes the one of this number. */
    public int cells() {
        return cells;
    }

    /** Forgets the cells from {@code count} on. */
    public void truncate(int count) {
        if (count < 0 || count > cells) {
            throw new IllegalArgumentException(count + " of " + cells + " cells");
        }
        cells = count;
        endings.tailMap(count, false).clear();
    }

    /** Logits after the last of {@code tokens}, which follow everything in the cells. */
    public float[] next(int[] tokens) {
        for (int done = 0; done < tokens.length - 1; ) {
            int count = Math.min(MOST_TOKENS, tokens.length - 1 - done);
            states(List.of(new Run(Arrays.copyOfRange(tokens, done, done + count), 0, cells)));
            done += count;
        }
        Blocked state = states(List.of(new Run(new int[] {tokens[tokens.length - 1]}, 0, cells)));
        float[] logits = new float[vocabulary()];
        head.logits(layers.outputs(state), logits, workers, scratch);
        return logits;
    }

    /**
     * Takes up runs, one after the other, and asks at some of their tokens for others. Of a family without attention (a
     * state space) a run that follows cells follows all of a run that began a sequence, or of the last run there was.
     *
     * @param runs may follow cells that an earlier run of the same call takes
     * @param rows tokens of this call, counted through all runs
     * @param targets one for each row: the token asked for there
     * @return {@code -ln p(target)} for each row
     */
    public double[] improbabilities(List<Run> runs, int[] rows, int[] targets) {
        if (rows.length != targets.length) {
            throw new IllegalArgumentException(rows.length + " rows, " + targets.length + " targets");
        }
        Blocked states = states(runs);
        if (rows.length == 0) {
            return new double[0];
        }
        Blocked wanted = blocked(rows.length, sizes.width());
        float[] row = new float[sizes.width()];
        for (int i = 0; i < rows.length; i++) {
            states.read(rows[i], 0, sizes.width(), row, 0);
            wanted.write(i, 0, sizes.width(), row, 0);
        }
        return head.improbabilities(layers.outputs(wanted), targets, workers, scratch);
    }

    /** States after each token, before the last norm. */
    private Blocked states(List<Run> runs) {
        Batch batch = new Batch(runs, cells);
        for (int token : batch.tokens) {
            if (token < 0 || token >= vocabulary()) {
                throw new IllegalArgumentException("token " + token + " of a vocabulary of " + vocabulary());
            }
        }
        grow(cells + batch.size);
        Blocked x = layers.embed(batch.tokens, batch::position);
        List<Handing> handings = sizes.scan().states() > 0 ? handings(runs) : List.of();
        Layers.Meeting meeting = new Layers.Meeting(
                (index, query, key, value, attended) -> {
                    keep(index, batch, key, value);
                    rows(batch.size, (row, worker) -> attendRow(batch, row, index, query, attended));
                },
                block -> List.of(
                        handings.stream().map(handing -> handing.run(block)).toList()));
        for (int block = 0; block < sizes.blocks(); block++) {
            layers.block(block, x, x, meeting, InputObserver.NONE);
        }
        cells += batch.size;
        return x;
    }

    /**
     * What a sequence hands on at its end.
     *
     * @param from the sequence's first cell
     * @param begins whether one run holds the whole sequence
     * @param states for each block
     */
    private record Ending(int from, boolean begins, List<StateSpaceLayer.State> states) {}

    /** Rows of a call that follow each other, and what they take up and hand on. */
    private record Handing(
            int first,
            int count,
            @Nullable Ending before,
            @Nullable Ending after) {
        StateSpaceLayer.Run run(int block) {
            return new StateSpaceLayer.Run(
                    first,
                    count,
                    before == null ? null : before.states().get(block),
                    after == null ? null : after.states().get(block),
                    0,
                    count,
                    first);
        }
    }

    /** What sequences hand on is large, so it is kept at the ends of beginnings, and of the last run only. */
    private List<Handing> handings(List<Run> runs) {
        List<Handing> handings = new ArrayList<>();
        int row = 0;
        for (int i = 0; i < runs.size(); i++) {
            Run run = runs.get(i);
            boolean begins = run.from() == run.to();
            Ending before = begins ? null : endings.get(run.to());
            if (!begins && (before == null || before.from() != run.from())) {
                throw new IllegalArgumentException("no state was kept after cells " + run.from() + " to " + run.to());
            }
            int count = run.tokens().length;
            Ending after = null;
            if (begins || i == runs.size() - 1) {
                int first = begins ? cells + row : run.from();
                after = new Ending(
                        first,
                        begins,
                        Stream.generate(() -> StateSpaceLayer.State.of(sizes.scan()))
                                .limit(sizes.blocks())
                                .toList());
            }
            handings.add(new Handing(row, count, before, after));
            row += count;
            if (after != null) {
                endings.put(cells + row, after);
            }
        }
        int last = cells + row;
        endings.entrySet()
                .removeIf(entry -> entry.getKey() != last && !entry.getValue().begins());
        return handings;
    }

    /** A call's tokens, row by row. */
    private final class Batch {
        final int size;
        final int firstCell;
        final int[] tokens;
        /** Cells before the row's run that it sees, and the row that its run begins with. */
        final int[] from;

        final int[] to;
        final int[] runBegin;

        Batch(List<Run> runs, int firstCell) {
            this.firstCell = firstCell;
            this.size = runs.stream().mapToInt(run -> run.tokens().length).sum();
            if (size > MOST_TOKENS) {
                throw new IllegalArgumentException(size + " tokens in one call");
            }
            this.tokens = new int[size];
            this.from = new int[size];
            this.to = new int[size];
            this.runBegin = new int[size];
            int row = 0;
            for (Run run : runs) {
                if (run.to() > firstCell + row || run.to() - run.from() + run.tokens().length > limit) {
                    throw new IllegalArgumentException(run.tokens().length + " tokens after cells " + run.from()
                            + " to " + run.to() + " of " + (firstCell + row) + ", positions up to " + limit);
                }
                int begin = row;
                for (int token : run.tokens()) {
                    tokens[row] = token;
                    from[row] = run.from();
                    to[row] = run.to();
                    runBegin[row] = begin;
                    row++;
                }
            }
        }

        int position(int row) {
            return to[row] - from[row] + row - runBegin[row];
        }
    }

    private void grow(int needed) {
        if (needed <= capacity) {
            return;
        }
        int width = Math.max(rules.getFirst().keyWidth(), rules.getFirst().valueWidth());
        if (width == 0) {
            return;
        }
        int most = Integer.MAX_VALUE / 2 / width;
        if (needed > most) {
            throw new IllegalStateException(needed + " cells of " + width + " floats");
        }
        capacity = Math.min(most, Math.max(needed, capacity * 2));
        for (int block = 0; block < sizes.blocks(); block++) {
            keys[block] = Arrays.copyOf(keys[block], capacity * rules.get(block).keyWidth());
            values[block] =
                    Arrays.copyOf(values[block], capacity * rules.get(block).valueWidth());
        }
    }

    /** Puts the batch's keys, turned, and values into cells. */
    private void keep(int index, Batch batch, Blocked key, Blocked value) {
        AttentionRule rule = rules.get(index);
        rows(batch.size, (i, worker) -> {
            int at = (batch.firstCell + i) * rule.keyWidth();
            key.read(i, 0, rule.keyWidth(), keys[index], at);
            value.read(i, 0, rule.valueWidth(), values[index], (batch.firstCell + i) * rule.valueWidth());
            for (int head = 0; head < rule.keyValueHeads(); head++) {
                rule.rotate(keys[index], at + head * rule.keyLength(), batch.position(i));
            }
        });
    }

    private void attendRow(Batch batch, int row, int index, Blocked query, Packed out) {
        AttentionRule rule = rules.get(index);
        float[] keys = this.keys[index];
        float[] values = this.values[index];
        int position = batch.position(row);
        int first = rule.firstSeen(position);
        int before = batch.to[row] - batch.from[row];
        int own = batch.firstCell + batch.runBegin[row];
        float[] q = new float[rule.queryWidth()];
        float[] scores = new float[position + 1];
        float[] lanes = new float[8];
        float[] result = new float[rule.attendedWidth()];
        query.read(row, 0, q.length, q, 0);
        for (int head = 0; head < rule.heads(); head++) {
            int at = head * rule.keyLength();
            int shared = head / rule.group();
            rule.rotate(q, at, position);
            for (int i = first; i <= position; i++) {
                int cell = i < before ? batch.from[row] + i : own + i - before;
                int key = cell * rule.keyWidth() + shared * rule.keyLength();
                scores[i] = rule.scale() * Dot.of(q, at, keys, key, rule.keyLength());
            }
            double sum = rule.exponentiate(scores, first, first, position + 1 - first, position, head, lanes);
            float share = (float) (1 / sum);
            for (int i = first; i <= position; i++) {
                int cell = i < before ? batch.from[row] + i : own + i - before;
                int value = cell * rule.valueWidth() + shared * rule.valueLength();
                addTimes(values, value, scores[i] * share, result, head * rule.valueLength(), rule.valueLength());
            }
        }
        out.write(row, 0, result.length, result, 0);
    }

    private static void addTimes(float[] from, int at, float factor, float[] to, int toAt, int count) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] += factor * from[at + i];
        }
    }

    private static Blocked blocked(int rows, int width) {
        return new Blocked(rows, width, new float[Blocked.size(rows, width)]);
    }

    private interface RowTask {
        void run(int row, int worker);
    }

    private void rows(int count, RowTask task) {
        workers.each(Math.ceilDiv(count, ROWS_PER_TASK), (index, worker) -> {
            for (int row = index * ROWS_PER_TASK; row < Math.min(count, (index + 1) * ROWS_PER_TASK); row++) {
                task.run(row, worker);
            }
        });
    }

    @Override
    public void close() {
        workers.close();
    }
}
