package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Buffers.Use;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.io.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The forward pass in float, over several windows of tokens at a time. Weights are decoded panel by panel as a batch
 * meets them and never kept, so that memory is bounded whatever the model's size; the results are the same bits for any
 * number of threads and of windows in flight.
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

    private final Hyperparameters sizes;
    private final Weights weights;
    private final OutputHead head;
    private final List<Attention> attention;
    private final int window;
    private final int windows;
    private final Workers workers;
    private final Scratch[] scratch;
    private final Buffers buffers = new Buffers();
    private final Layers layers;

    private Forward(Model model, ForwardPass pass, int window, int threads, long memory) {
        this.sizes = Hyperparameters.of(model, pass);
        this.weights = WeightsReader.read(model, sizes);
        this.head = OutputHead.of(weights, sizes);
        this.window = window;
        refuseWindowsBeyondAnArray(model, sizes, window);
        weights.refuseBeyondPositions(model, window);
        this.windows = windowsInFlight(sizes, window, threads, memory);
        List<AttentionRule> rules = AttentionRule.of(sizes, weights, window);
        this.attention = rules.stream().map(rule -> new Attention(rule, window)).toList();
        this.scratch = new Scratch[threads];
        Arrays.setAll(scratch, i -> new Scratch(sizes.widest(), sizes.width(), rules.getFirst(), window));
        this.workers = new Workers(threads, "evaluation");
        this.layers = new Layers(sizes, weights, new Tasks(workers, scratch, buffers, false));
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
        return new Forward(model, pass, window, threads, memory);
    }

    private static void refuseWindowsBeyondAnArray(Model model, Hyperparameters sizes, int window) {
        long slots = Math.max(1L, sizes.experts().used()) * (window + 16L)
                + 4L * sizes.experts().count();
        long inExperts = slots * Math.max(sizes.width(), sizes.experts().feedForward());
        long floats = (window + 16L) * Math.max(sizes.widest(), Math.max(Scratch.QUERIES, sizes.keyLength() + 16L));
        floats = sizes.experts().count() == 0 ? floats : Math.max(floats, inExperts);
        if (floats > Integer.MAX_VALUE) {
            throw InputException.of(
                            model.origin(),
                            "a window of " + window + " tokens needs " + floats
                                    + " floats in a row, an array holds at most " + Integer.MAX_VALUE)
                    .withHint("use a smaller context");
        }
    }

    private static int windowsInFlight(Hyperparameters sizes, int window, int threads, long memory) {
        long inner = Math.max(sizes.feedForward(), sizes.queryWidth());
        long perToken = 2L * sizes.width()
                + Math.max(sizes.width(), sizes.attendedWidth())
                + inner
                + sizes.keyWidth()
                + sizes.valueWidth()
                + (long) sizes.experts().used()
                        * (sizes.width() + sizes.experts().feedForward())
                + (long) sizes.latent().rank() * 2 * sizes.heads()
                + 5L * sizes.scan().inner();
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

    /** Whether tokens are predicted from the states; an encoder's states are its result. */
    public boolean predicts() {
        return !sizes.pass().bidirectional();
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

    /** As {@link #logits(Packed, int, int, float[])}, with another output matrix. */
    void logits(Variant variant, Packed states, int first, int count, float[] out) {
        variant.head().logits(states, first, count, out, workers, scratch);
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
        Blocked x = layers.embed(tokens, row -> row % window);
        InputObserver inputs =
                observer == null ? InputObserver.NONE : new WindowSquares(workers, scratch, window, count, observer);
        if (observer != null) {
            for (int block = 0; block < sizes.blocks(); block++) {
                layers.block(block, x, x, meeting(count, 0, window), inputs);
            }
            inputs.seen(layers.outputs(x), weights.output());
            return layers.outputs(wanted(x, count, from, to));
        }
        return outputs(layers, x, 0, from, to);
    }

    /** The same weights but for those of {@code variant}, a model of the same shape: what {@link #outputs} can take. */
    Variant variant(Model variant) {
        Weights other = WeightsReader.read(variant, sizes);
        return new Variant(
                new Layers(sizes, other, new Tasks(workers, scratch, buffers, false)), OutputHead.of(other, sizes));
    }

    /** Layers and output matrix of a model with some other weights. */
    record Variant(Layers layers, OutputHead head) {}

    /** The model itself. */
    Variant itself() {
        return new Variant(layers, head);
    }

    /** Blocks of the model. */
    int blocks() {
        return sizes.blocks();
    }

    /** Floats of a token's state. */
    int width() {
        return sizes.width();
    }

    /** States of whole windows before the first block, in an array that the next call takes. */
    Blocked embedded(Variant variant, int[] tokens) {
        return variant.layers().embed(tokens, row -> row % window);
    }

    /** Takes states of whole windows through one block. */
    void block(Variant variant, int block, Blocked x) {
        variant.layers().block(block, x, x, meeting(x.rows() / window, 0, window), InputObserver.NONE);
    }

    /** An array for states of whole windows, which the next call takes. */
    Blocked statesOf(int count) {
        return buffers.blocked(Use.STATES, count * window, sizes.width());
    }

    /**
     * Takes states of whole windows through the blocks from one on.
     *
     * @param first {@link #blocks} for the end
     * @return normalized states of positions {@code from .. to - 1} of each window, in an array that the next call takes
     */
    Packed outputs(Variant variant, Blocked x, int first, int from, int to) {
        return outputs(variant.layers(), x, first, from, to);
    }

    private Packed outputs(Layers through, Blocked x, int first, int from, int to) {
        int count = x.rows() / window;
        int whole = sizes.blocks() - 1;
        for (int block = first; block < whole; block++) {
            through.block(block, x, x, meeting(count, 0, window), InputObserver.NONE);
        }
        Blocked last = wanted(x, count, from, to);
        // The last block's results are of use only where they are asked for.
        if (first <= whole) {
            through.block(whole, x, last, meeting(count, from, to), InputObserver.NONE);
        }
        return through.outputs(last);
    }

    private Blocked wanted(Blocked x, int count, int from, int to) {
        Blocked wanted = buffers.blocked(Use.WANTED, count * (to - from), sizes.width());
        for (int i = 0; i < count; i++) {
            gather(x, i * window + from, to - from, wanted, i * (to - from));
        }
        return wanted;
    }

    /** The states of whole windows of tokens before the first block, in an array that lasts until the next call. */
    Blocked embedded(int[] tokens) {
        return layers.embed(tokens, row -> row % window);
    }

    /** One block at all positions, in place. */
    void block(int index, Blocked x, InputObserver observer) {
        layers.block(index, x, x, meeting(x.rows() / window, 0, window), observer);
    }

    /** What goes into the output matrix at all positions of whole windows; lasts until the next call. */
    public Packed outputInputs(int[] tokens) {
        return states(tokens, 0, window);
    }

    /** Where what attention gave before is put, for {@link #blockFrom}. */
    Packed attendedOf(int index, int rows) {
        return layers.attendedOf(index, rows);
    }

    /** The rest of a block, after attention, in place. */
    void blockFrom(int index, Packed attended, Blocked x, InputObserver observer) {
        layers.blockFrom(index, attended, x, observer);
    }

    /** The matrix that what attention gives meets. */
    WeightMatrix attentionOutput(int index) {
        return weights.blocks().get(index).attentionOutput();
    }

    /** What goes into the output matrix. */
    Packed outputs(Blocked x) {
        return layers.outputs(x);
    }

    /** What this product is multiplied by before it is added to a block's states; 0 where it is not, or not as it is. */
    float added(int block, WeightMatrix... products) {
        return products.length == 1 ? layers.added(block, products[0]) : 0;
    }

    WeightMatrix outputMatrix() {
        return weights.output();
    }

    /** Results are wanted of positions {@code from .. to - 1} of each window. */
    private Layers.Meeting meeting(int count, int from, int to) {
        List<List<StateSpaceLayer.Run>> chains = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            chains.add(List.of(new StateSpaceLayer.Run(i * window, window, null, null, from, to, i * (to - from))));
        }
        return new Layers.Meeting(attending(count, from, to), block -> chains);
    }

    /** Positions {@code from .. to - 1} of each window attend to their own window. */
    private AttentionLayer.Attending attending(int count, int from, int to) {
        return (block, query, key, value, attended) -> {
            int heads = attention.get(block).rule().keyValueHeads();
            workers.each(count * heads, (task, worker) -> {
                int which = task / heads;
                attention
                        .get(block)
                        .attend(
                                query,
                                key,
                                value,
                                which * window,
                                from,
                                to,
                                task % heads,
                                attended,
                                which * (to - from),
                                scratch[worker]);
            });
        };
    }

    private void gather(Blocked x, int first, int count, Blocked out, int outRow) {
        float[] row = scratch[0].row;
        for (int i = 0; i < count; i++) {
            x.read(first + i, 0, sizes.width(), row, 0);
            out.write(outRow + i, 0, sizes.width(), row, 0);
        }
    }

    @Override
    public void close() {
        workers.close();
    }
}
