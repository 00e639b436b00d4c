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
import org.jspecify.annotations.Nullable;

/**
 * The forward pass of a LLaMA-like decoder in float, over several windows of tokens at a time. Weights are decoded panel
 * by panel as a batch meets them and never kept, so that memory is bounded whatever the model's size; the results are
 * the same bits for any number of threads and of windows in flight.
 *
 * <p>One caller at a time. {@link #close} ends the threads; the model stays open.
 */
public final class Forward implements AutoCloseable {
    /** Bytes that the arrays of one forward pass may take together, unless a single window needs more. */
    public static final long DEFAULT_MEMORY = 512L << 20;

    /**
     * Tokens of a batch beyond which nothing is gained: a weight is decoded (a few ns) and then used for this many
     * multiply-adds (2048 take 40 ns at 100 GFLOP/s).
     */
    private static final int ENOUGH_TOKENS = 2048;

    private static final int ROWS_PER_TASK = 64;

    private final Hyperparameters sizes;
    private final Weights weights;
    private final OutputHead head;
    private final Attention attention;
    private final int window;
    private final int windows;
    private final Workers workers;
    private final Scratch[] scratch;
    private final float[] states;
    private final float[] normed;
    private final float[] inner;
    private final float[] keys;
    private final float[] values;
    private final float[] wanted;

    private Forward(Model model, int window, int threads, long memory) {
        this.sizes = Hyperparameters.of(model);
        this.weights = Weights.of(model, sizes);
        this.head = new OutputHead(weights.output());
        this.window = window;
        refuseWindowsBeyondAnArray(model, sizes, window);
        this.windows = windowsInFlight(sizes, window, threads, memory);
        this.attention = new Attention(
                sizes,
                new RotaryEmbedding(
                        window, sizes.ropeDimensions(), sizes.ropeBase(), sizes.ropeScale(), weights.ropeFactors()));
        int rows = Math.multiplyExact(windows, window);
        this.states = new float[Blocked.size(rows, sizes.width())];
        this.normed = new float[Packed.size(rows, Math.max(sizes.width(), sizes.queryWidth()))];
        this.inner = new float[Packed.size(rows, Math.max(sizes.feedForward(), sizes.queryWidth()))];
        this.keys = new float[Blocked.size(rows, sizes.keyValueWidth())];
        this.values = new float[Blocked.size(rows, sizes.keyValueWidth())];
        this.wanted = new float[Blocked.size(rows, sizes.width())];
        this.scratch = new Scratch[threads];
        Arrays.setAll(scratch, i -> new Scratch(sizes, window));
        this.workers = new Workers(threads, "evaluation");
    }

    /**
     * @param pass how the model's family computes, as its architecture page says
     * @param window tokens in a window
     * @throws InputException when metadata or tensors are not what the forward pass needs
     */
    public static Forward of(Model model, ForwardPass pass, int window, int threads) {
        return of(model, pass, window, threads, DEFAULT_MEMORY);
    }

    /** @param memory bytes for the arrays; one window is always taken, whatever it needs */
    public static Forward of(Model model, ForwardPass pass, int window, int threads, long memory) {
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
        return new Forward(model, window, threads, memory);
    }

    private static void refuseWindowsBeyondAnArray(Model model, Hyperparameters sizes, int window) {
        long widest = Math.max(Math.max(sizes.width(), sizes.feedForward()), sizes.queryWidth());
        long floats = (window + 16L) * Math.max(widest, Math.max(Scratch.QUERIES, sizes.headDimension() + 16L));
        if (floats > Integer.MAX_VALUE) {
            throw InputException.of(
                            model.origin(),
                            "a window of " + window + " tokens needs " + floats
                                    + " floats in a row, an array holds at most " + Integer.MAX_VALUE)
                    .withHint("use a smaller context");
        }
    }

    private static int windowsInFlight(Hyperparameters sizes, int window, int threads, long memory) {
        long perToken = 2L * sizes.width()
                + Math.max(sizes.width(), sizes.queryWidth())
                + Math.max(sizes.feedForward(), sizes.queryWidth())
                + 2L * sizes.keyValueWidth();
        long left = memory / Float.BYTES - threads * Scratch.floats(sizes, window);
        long fit = Math.min(left / (perToken * window), ENOUGH_TOKENS / window);
        return (int) Math.max(1, fit);
    }

    /** Tokens in a window. */
    public int window() {
        return window;
    }

    /** Windows that one call may bring. */
    public int windowsInFlight() {
        return windows;
    }

    /** Tokens in the vocabulary. */
    public int vocabulary() {
        return weights.vocabulary();
    }

    /** Positions that the model was trained with. */
    public int trainedContext() {
        return sizes.contextLength();
    }

    /**
     * Logits of positions {@code from .. to - 1} of one window: {@code (to - from)} rows of {@link #vocabulary} floats.
     */
    public float[] logits(int[] tokens, int from, int to) {
        Packed states = states(tokens, from, to);
        float[] out = new float[Math.multiplyExact(states.rows(), vocabulary())];
        logits(states, 0, states.rows(), out);
        return out;
    }

    /**
     * Logits of some rows of {@link #states}, so that a caller need not hold all.
     *
     * @param first a multiple of {@link Scratch#TOKENS}
     * @param out receives {@code count} rows of {@link #vocabulary} floats
     */
    void logits(Packed states, int first, int count, float[] out) {
        head.logits(states, first, count, out, workers, scratch);
    }

    /** The threads, for work on what comes out. */
    Workers workers() {
        return workers;
    }

    /**
     * {@code -ln p(target)} at positions {@code from .. to - 1} of each window.
     *
     * @param tokens whole windows, one after the other, at most {@link #windowsInFlight}
     * @param targets the token expected after each of these positions: {@code to - from} for each window
     */
    public double[] improbabilities(int[] tokens, int from, int to, int[] targets) {
        return head.improbabilities(states(tokens, from, to), targets, workers, scratch);
    }

    /** As {@link #improbabilities(int[], int, int, int[])}, observed; the results are the same bits. */
    double[] improbabilities(int[] tokens, int from, int to, int[] targets, ActivationObserver observer) {
        return head.improbabilities(states(tokens, from, to, observer), targets, workers, scratch);
    }

    /**
     * Normalized states of positions {@code from .. to - 1} of each window, window after window. They lie in an array of
     * this forward pass and last until its next use.
     */
    Packed states(int[] tokens, int from, int to) {
        return states(tokens, from, to, null);
    }

    /**
     * The same, observed: all blocks are computed at all positions, since every product's input counts.
     *
     * @param observer is told of every product, in order, window by window, on the caller's thread
     */
    Packed states(int[] tokens, int from, int to, @Nullable ActivationObserver observer) {
        int count = tokens.length / window;
        if (count < 1 || count > windows || tokens.length % window != 0 || from < 0 || from >= to || to > window) {
            throw new IllegalArgumentException(tokens.length + " tokens, positions " + from + " to " + to);
        }
        for (int token : tokens) {
            if (token < 0 || token >= vocabulary()) {
                throw new IllegalArgumentException("token " + token + " of a vocabulary of " + vocabulary());
            }
        }
        Blocked x = new Blocked(tokens.length, sizes.width(), states);
        embed(tokens, x);
        int whole = observer == null ? sizes.blocks() - 1 : sizes.blocks();
        for (int block = 0; block < whole; block++) {
            attend(weights.blocks().get(block), x, count, 0, window, x, observer);
            feedForward(weights.blocks().get(block), x, count, observer);
        }
        if (observer != null) {
            observe(norm(x, weights.outputNorm()), count, observer, weights.output());
        }
        // The last block's results are of use only where they are asked for.
        Blocked last = new Blocked(count * (to - from), sizes.width(), wanted);
        for (int i = 0; i < count; i++) {
            gather(x, i * window + from, to - from, last, i * (to - from));
        }
        if (observer == null) {
            attend(weights.blocks().getLast(), x, count, from, to, last, null);
            feedForward(weights.blocks().getLast(), last, count, null);
        }
        return norm(last, weights.outputNorm());
    }

    private void embed(int[] tokens, Blocked x) {
        rows(tokens.length, (first, count, worker) -> {
            float[] row = scratch[worker].row;
            for (int i = first; i < first + count; i++) {
                weights.embedding().source().readRows(tokens[i], 1, row, 0);
                x.write(i, 0, sizes.width(), row, 0);
            }
        });
    }

    /** {@code out += attention(norm(x))} for positions {@code from .. to - 1} of each window. */
    private void attend(
            Weights.Block block,
            Blocked x,
            int count,
            int from,
            int to,
            Blocked out,
            @Nullable ActivationObserver observer) {
        Packed input = norm(x, block.attentionNorm());
        observe(input, count, observer, block.query(), block.key(), block.value());
        Blocked query = new Blocked(x.rows(), sizes.queryWidth(), inner);
        Blocked key = new Blocked(x.rows(), sizes.keyValueWidth(), keys);
        Blocked value = new Blocked(x.rows(), sizes.keyValueWidth(), values);
        multiply(
                input,
                List.of(
                        new Product(block.query(), query, false),
                        new Product(block.key(), key, false),
                        new Product(block.value(), value, false)));
        Packed attended = new Packed(out.rows(), sizes.queryWidth(), normed);
        workers.each(count * sizes.keyValueHeads(), (task, worker) -> {
            int which = task / sizes.keyValueHeads();
            attention.attend(
                    query,
                    key,
                    value,
                    which * window,
                    from,
                    to,
                    task % sizes.keyValueHeads(),
                    attended,
                    which * (to - from),
                    scratch[worker]);
        });
        observe(attended, count, observer, block.attentionOutput());
        multiply(attended, List.of(new Product(block.attentionOutput(), out, true)));
    }

    /** {@code x += down(silu(gate(norm(x))) · up(norm(x)))}. */
    private void feedForward(Weights.Block block, Blocked x, int count, @Nullable ActivationObserver observer) {
        Packed input = norm(x, block.feedForwardNorm());
        observe(input, count, observer, block.gate(), block.up());
        Packed gated = new Packed(x.rows(), sizes.feedForward(), inner);
        workers.each(
                block.gate().panels(),
                (panel, worker) ->
                        Projection.gatedPanel(input, block.gate(), block.up(), panel, gated, scratch[worker]));
        observe(gated, count, observer, block.down());
        multiply(gated, List.of(new Product(block.down(), x, true)));
    }

    /**
     * Sums each window's squares column by column, in the order of its tokens: float over a window, which the caller adds
     * up in double, so that neither threads nor windows in flight matter.
     */
    private void observe(Packed input, int count, @Nullable ActivationObserver observer, WeightMatrix... products) {
        if (observer == null) {
            return;
        }
        double[][] squares = new double[count][input.width()];
        workers.each(count * input.blocks(), (task, worker) -> {
            int which = task / input.blocks();
            int block = task % input.blocks();
            float[] sums = scratch[worker].squares;
            Arrays.fill(sums, 0);
            for (int row = which * window; row < (which + 1) * window; row++) {
                input.addSquares(block, row, sums);
            }
            for (int i = 0; i < input.blockWidth(block); i++) {
                squares[which][block * Blocked.BLOCK + i] = sums[i];
            }
        });
        for (int which = 0; which < count; which++) {
            for (WeightMatrix product : products) {
                observer.seen(product.name(), which, squares[which]);
            }
        }
    }

    private Packed norm(Blocked x, float[] weight) {
        Packed y = new Packed(x.rows(), sizes.width(), normed);
        rows(x.rows(), (first, count, worker) -> RmsNorm.apply(x, weight, sizes.normEpsilon(), first, count, y));
        return y;
    }

    private void gather(Blocked x, int first, int count, Blocked out, int outRow) {
        float[] row = scratch[0].row;
        for (int i = 0; i < count; i++) {
            x.read(first + i, 0, sizes.width(), row, 0);
            out.write(outRow + i, 0, sizes.width(), row, 0);
        }
    }

    private void multiply(Packed input, List<Product> products) {
        int panels = products.stream().mapToInt(p -> p.weights().panels()).sum();
        workers.each(panels, (task, worker) -> {
            int panel = task;
            for (Product product : products) {
                if (panel < product.weights().panels()) {
                    Projection.panel(input, product, panel, scratch[worker]);
                    return;
                }
                panel -= product.weights().panels();
            }
        });
    }

    private interface RowTask {
        void run(int first, int count, int worker);
    }

    private void rows(int count, RowTask task) {
        workers.each(
                Math.ceilDiv(count, ROWS_PER_TASK),
                (index, worker) -> task.run(
                        index * ROWS_PER_TASK, Math.min(ROWS_PER_TASK, count - index * ROWS_PER_TASK), worker));
    }

    @Override
    public void close() {
        workers.close();
    }
}
