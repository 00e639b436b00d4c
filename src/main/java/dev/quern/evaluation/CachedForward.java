package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Projection.Product;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.io.InputException;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

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
    private final RotaryEmbedding rope;
    private final Workers workers;
    private final Scratch[] scratch;
    private final int limit;
    private final float[][] keys;
    private final float[][] values;
    private int cells;
    private int capacity;

    private CachedForward(Model model, int limit, int threads) {
        this.sizes = Hyperparameters.of(model);
        this.weights = Weights.of(model, sizes);
        this.head = new OutputHead(weights.output());
        this.limit = limit;
        this.rope = new RotaryEmbedding(
                limit, sizes.ropeDimensions(), sizes.ropeBase(), sizes.ropeScale(), weights.ropeFactors());
        this.scratch = new Scratch[threads];
        Arrays.setAll(scratch, i -> new Scratch(sizes, 1));
        this.workers = new Workers(threads, "evaluation");
        this.keys = new float[sizes.blocks()][0];
        this.values = new float[sizes.blocks()][0];
    }

    /**
     * @param pass how the model's family computes, as its architecture page says
     * @param positions of a sequence at most
     * @throws InputException when metadata or tensors are not what the forward pass needs
     */
    public static CachedForward of(Model model, ForwardPass pass, int positions, int threads) {
        // Exhaustive on purpose: a new constant has to be answered here before anything compiles.
        switch (pass.norm()) {
            case RMS -> {}
        }
        switch (pass.rope()) {
            case INTERLEAVED -> {}
        }
        switch (pass.activation()) {
            case SILU_GATED -> {}
        }
        return new CachedForward(model, positions, threads);
    }

    /** Tokens in the vocabulary. */
    public int vocabulary() {
        return weights.vocabulary();
    }

    /** Positions that the model was trained with. */
    public static int trainedContext(Model model) {
        return Hyperparameters.of(model).contextLength();
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
        head.logits(norm(state, weights.outputNorm()), 0, 1, logits, workers, scratch);
        return logits;
    }

    /**
     * Takes up runs, one after the other, and asks at some of their tokens for others.
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
        return head.improbabilities(norm(wanted, weights.outputNorm()), targets, workers, scratch);
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
        Blocked x = blocked(batch.size, sizes.width());
        rows(batch.size, (i, worker) -> {
            float[] row = scratch[worker].row;
            weights.embedding().source().readRows(batch.tokens[i], 1, row, 0);
            x.write(i, 0, sizes.width(), row, 0);
        });
        for (int block = 0; block < sizes.blocks(); block++) {
            attend(block, batch, x);
            feedForward(weights.blocks().get(block), x);
        }
        cells += batch.size;
        return x;
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
        int width = sizes.keyValueWidth();
        int most = Integer.MAX_VALUE / 2 / width;
        if (needed > most) {
            throw new IllegalStateException(needed + " cells of " + width + " floats");
        }
        capacity = Math.min(most, Math.max(needed, capacity * 2));
        for (int block = 0; block < sizes.blocks(); block++) {
            keys[block] = Arrays.copyOf(keys[block], capacity * width);
            values[block] = Arrays.copyOf(values[block], capacity * width);
        }
    }

    /** {@code x += attention(norm(x))}. */
    private void attend(int index, Batch batch, Blocked x) {
        Weights.Block block = weights.blocks().get(index);
        Packed input = norm(x, block.attentionNorm());
        Blocked query = blocked(batch.size, sizes.queryWidth());
        Blocked key = blocked(batch.size, sizes.keyValueWidth());
        Blocked value = blocked(batch.size, sizes.keyValueWidth());
        multiply(input, new Product(block.query(), query, false));
        multiply(input, new Product(block.key(), key, false));
        multiply(input, new Product(block.value(), value, false));
        int width = sizes.keyValueWidth();
        rows(batch.size, (i, worker) -> {
            int at = (batch.firstCell + i) * width;
            key.read(i, 0, width, keys[index], at);
            value.read(i, 0, width, values[index], at);
            for (int head = 0; head < sizes.keyValueHeads(); head++) {
                rope.rotate(keys[index], at + head * sizes.headDimension(), batch.position(i));
            }
        });
        Packed attended = packed(batch.size, sizes.queryWidth());
        rows(batch.size, (i, worker) -> attendRow(batch, i, query, keys[index], values[index], attended));
        multiply(attended, new Product(block.attentionOutput(), x, true));
    }

    private void attendRow(Batch batch, int row, Blocked query, float[] keys, float[] values, Packed out) {
        int d = sizes.headDimension();
        int width = sizes.keyValueWidth();
        int position = batch.position(row);
        int before = batch.to[row] - batch.from[row];
        int own = batch.firstCell + batch.runBegin[row];
        float[] q = new float[sizes.queryWidth()];
        float[] scores = new float[position + 1];
        float[] lanes = new float[8];
        float[] result = new float[sizes.queryWidth()];
        query.read(row, 0, q.length, q, 0);
        float scale = (float) (1 / Math.sqrt(d));
        for (int head = 0; head < sizes.heads(); head++) {
            int at = head * d;
            int inCell = head / (sizes.heads() / sizes.keyValueHeads()) * d;
            rope.rotate(q, at, position);
            for (int i = 0; i <= position; i++) {
                int cell = i < before ? batch.from[row] + i : own + i - before;
                scores[i] = scale * dot(q, at, keys, cell * width + inCell, d);
            }
            float max = Exponential.max(scores, 0, position + 1);
            float share = (float) (1 / Exponential.exponentiate(scores, 0, position + 1, max, lanes));
            for (int i = 0; i <= position; i++) {
                int cell = i < before ? batch.from[row] + i : own + i - before;
                addTimes(values, cell * width + inCell, scores[i] * share, result, at, d);
            }
        }
        out.write(row, 0, result.length, result, 0);
    }

    private static float dot(float[] a, int aAt, float[] b, int bAt, int count) {
        FloatVector sums = FloatVector.zero(Exponential.LANES);
        int i = 0;
        for (; i <= count - 8; i += 8) {
            sums = FloatVector.fromArray(Exponential.LANES, a, aAt + i)
                    .fma(FloatVector.fromArray(Exponential.LANES, b, bAt + i), sums);
        }
        float sum = sums.reduceLanes(VectorOperators.ADD);
        for (; i < count; i++) {
            sum += a[aAt + i] * b[bAt + i];
        }
        return sum;
    }

    private static void addTimes(float[] from, int at, float factor, float[] to, int toAt, int count) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] += factor * from[at + i];
        }
    }

    /** {@code x += down(silu(gate(norm(x))) · up(norm(x)))}. */
    private void feedForward(Weights.Block block, Blocked x) {
        Packed input = norm(x, block.feedForwardNorm());
        Packed gated = packed(x.rows(), sizes.feedForward());
        workers.each(
                block.gate().panels(),
                (panel, worker) ->
                        Projection.gatedPanel(input, block.gate(), block.up(), panel, gated, scratch[worker]));
        multiply(gated, new Product(block.down(), x, true));
    }

    private Packed norm(Blocked x, float[] weight) {
        Packed y = packed(x.rows(), sizes.width());
        RmsNorm.apply(x, weight, sizes.normEpsilon(), 0, x.rows(), y);
        return y;
    }

    private void multiply(Packed input, Product product) {
        workers.each(
                product.weights().panels(),
                (panel, worker) -> Projection.panel(input, product, panel, scratch[worker]));
    }

    private static Blocked blocked(int rows, int width) {
        return new Blocked(rows, width, new float[Blocked.size(rows, width)]);
    }

    private static Packed packed(int rows, int width) {
        return new Packed(rows, width, new float[Packed.size(rows, width)]);
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
