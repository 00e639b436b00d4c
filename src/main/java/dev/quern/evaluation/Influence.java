package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Forward.Variant;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How much a model's predictions change when one of its tensors is another: the mean Kullback-Leibler divergence, nats,
 * of the model with that tensor from the model itself, over the scored positions of some windows. What lies before the
 * tensor's block is the same in both; it is computed once, as long as tensors are asked for in the order of their blocks.
 *
 * <p>One caller at a time. The figures are the same for any number of threads.
 */
public final class Influence implements AutoCloseable {
    /** Bytes that the logits of both models may take together, unless a tile of positions needs more. */
    private static final long LOGITS_MEMORY = 128L << 20;

    /** Up to here all of the original's logits are kept; beyond it they are computed again for every question. */
    private static final long KEPT_LOGITS_MEMORY = 256L << 20;

    private static final Pattern BLOCK = Pattern.compile("^blk\\.(\\d{1,9})\\.");

    private final Model model;
    private final Windows windows;
    private final Forward forward;
    private final Variant original;
    private final List<Batch> batches = new ArrayList<>();
    private final int rowsAtOnce;
    private final float[] logits;
    private final boolean keeps;

    /** The block before which the batches' states are. */
    private int depth;

    /** Some windows, as many as go through the model together. */
    private final class Batch {
        final int from;
        final int count;
        final float[] states;

        /** The original's normalized states at the scored positions. */
        final Packed outputs;

        /** The original's logits, {@link #rowsAtOnce} rows in each; one is used again and again where not all are kept. */
        final List<Logits> base = new ArrayList<>();

        Batch(int from, int count) {
            this.from = from;
            this.count = count;
            this.states = new float[Blocked.size(count * windows.length(), forward.width())];
            Packed computed = forward.states(windows.input(from, count), windows.first(), windows.length() - 1);
            this.outputs = new Packed(
                    computed.rows(),
                    computed.width(),
                    Arrays.copyOf(computed.values(), Packed.size(computed.rows(), computed.width())));
        }

        /** The states, in the array that the forward pass works on. */
        Blocked loaded() {
            Blocked x = forward.statesOf(count);
            System.arraycopy(states, 0, x.values(), 0, states.length);
            return x;
        }

        void keep(Blocked x) {
            System.arraycopy(x.values(), 0, states, 0, states.length);
        }

        int rows() {
            return count * windows.scored();
        }

        /** @param first a multiple of {@link #rowsAtOnce} */
        Logits base(int first) {
            int index = keeps ? first / rowsAtOnce : 0;
            int rows = Math.min(rowsAtOnce, rows() - first);
            if (index == base.size()) {
                base.add(new Logits(
                        new float[Math.multiplyExact(rowsAtOnce, forward.vocabulary())], new float[rowsAtOnce]));
            } else if (keeps) {
                return base.get(index);
            }
            Logits logits = base.get(index);
            forward.logits(original, outputs, first, rows, logits.values);
            shift(logits.values, logits.shifts, rows, from * windows.scored() + first);
            return logits;
        }
    }

    /** @param shifts ln Σ e^logit of each row */
    @SuppressWarnings("ArrayRecordComponent")
    private record Logits(float[] values, float[] shifts) {}

    private Influence(Model model, ForwardPass pass, Windows windows, int threads, long memory) {
        this.model = model;
        this.windows = windows;
        this.forward = Forward.of(model, pass, windows.length(), threads, memory);
        windows.requireVocabulary(forward.vocabulary());
        this.original = forward.itself();
        for (int from = 0; from < windows.count(); from += forward.windowsInFlight()) {
            batches.add(new Batch(from, Math.min(forward.windowsInFlight(), windows.count() - from)));
        }
        long tiles = LOGITS_MEMORY / (2L * Float.BYTES * forward.vocabulary() * Scratch.TOKENS);
        this.rowsAtOnce = Math.toIntExact(
                Math.min(Math.max(1, tiles) * Scratch.TOKENS, batches.getFirst().rows()));
        this.logits = new float[Math.multiplyExact(rowsAtOnce, forward.vocabulary())];
        this.keeps = (positions() + (long) batches.size() * rowsAtOnce) * forward.vocabulary() * Float.BYTES
                <= KEPT_LOGITS_MEMORY;
        rewind();
    }

    /**
     * @param windows on which predictions are compared
     * @param memory bytes for the arrays of the forward pass
     * @throws dev.quern.io.InputException when the model cannot be computed, or the text holds a token that it has not
     */
    public static Influence of(Model model, ForwardPass pass, Windows windows, int threads, long memory) {
        return new Influence(model, pass, windows, threads, memory);
    }

    /** Before which block a tensor acts: 0 for what comes before them, the number of blocks for what comes behind. */
    public int depth(String tensor) {
        Matcher matcher = BLOCK.matcher(tensor);
        if (matcher.find()) {
            return Math.min(Integer.parseInt(matcher.group(1)), forward.blocks());
        }
        return tensor.startsWith("output") ? forward.blocks() : 0;
    }

    /** Positions that are compared. */
    public long positions() {
        return (long) windows.count() * windows.scored();
    }

    /** The threads, for work on tensors between two questions. */
    public Workers workers() {
        return forward.workers();
    }

    /**
     * @param replacement of the tensor of its name, of the same shape
     * @return mean divergence, nats; never below zero
     */
    public double of(TensorSource replacement) {
        return of(List.of(replacement));
    }

    /** As {@link #of(TensorSource)}, of several tensors that are all replaced. */
    public double of(List<TensorSource> replacements) {
        TensorGraph graph = new TensorGraph();
        for (TensorSource tensor : model.tensors().sources()) {
            graph.add(replacements.stream()
                    .filter(other -> other.info().name().equals(tensor.info().name()))
                    .findFirst()
                    .orElse(tensor));
        }
        Variant variant = forward.variant(new Model(model.origin(), model.metadata(), graph, model.files()));
        List<String> names =
                replacements.stream().map(other -> other.info().name()).toList();
        boolean fromTheStart = names.stream().anyMatch(name -> !name.startsWith("blk.") && !name.startsWith("output"));
        goTo(names.stream().mapToInt(this::depth).min().orElse(forward.blocks()));
        double sum = 0;
        for (Batch batch : batches) {
            Blocked x =
                    fromTheStart ? forward.embedded(variant, windows.input(batch.from, batch.count)) : batch.loaded();
            sum += divergence(
                    batch, variant, forward.outputs(variant, x, depth, windows.first(), windows.length() - 1));
        }
        return Math.max(0, sum / positions());
    }

    private void goTo(int block) {
        if (block < depth) {
            rewind();
        }
        while (depth < block) {
            for (Batch batch : batches) {
                Blocked x = batch.loaded();
                forward.block(original, depth, x);
                batch.keep(x);
            }
            depth++;
        }
    }

    private void rewind() {
        for (Batch batch : batches) {
            batch.keep(forward.embedded(original, windows.input(batch.from, batch.count)));
        }
        depth = 0;
    }

    /** Summed over a batch's positions, in their order. */
    private double divergence(Batch batch, Variant variant, Packed states) {
        double sum = 0;
        double[] divergences = new double[rowsAtOnce];
        float[] shifts = new float[rowsAtOnce];
        float[][] lanes = new float[workers().threads()][8];
        int vocabulary = forward.vocabulary();
        for (int first = 0; first < batch.rows(); first += rowsAtOnce) {
            int rows = Math.min(rowsAtOnce, batch.rows() - first);
            // States and the original's outputs lie in arrays of their own.
            Logits base = batch.base(first);
            forward.logits(variant, states, first, rows, logits);
            shift(logits, shifts, rows, batch.from * windows.scored() + first);
            workers().each(rows, (row, worker) -> {
                int at = row * vocabulary;
                divergences[row] = LogProbabilities.divergence(
                        base.values, at, base.shifts[row], logits, at, shifts[row], vocabulary, lanes[worker]);
            });
            for (int row = 0; row < rows; row++) {
                sum += divergences[row];
            }
        }
        return sum;
    }

    /** ln Σ e^logit of each row. */
    private void shift(float[] values, float[] shifts, int rows, int position) {
        float[][] lanes = new float[workers().threads()][8];
        int vocabulary = forward.vocabulary();
        workers().each(rows, (row, worker) -> {
            int at = row * vocabulary;
            float max = Exponential.max(values, at, vocabulary);
            double sum = LogProbabilities.sumOfExponentials(values, at, vocabulary, max, lanes[worker]);
            shifts[row] = max + (float) Math.log(sum);
            if (!Float.isFinite(shifts[row])) {
                int which = position + row;
                throw Perplexity.notFinite(windows, which / windows.scored(), which % windows.scored());
            }
        });
    }

    @Override
    public void close() {
        forward.close();
    }
}
