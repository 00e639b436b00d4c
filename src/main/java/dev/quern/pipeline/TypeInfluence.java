package dev.quern.pipeline;

import dev.quern.architecture.ForwardPass;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Influence;
import dev.quern.evaluation.Windows;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.EncodedBlocks;
import dev.quern.tensor.RowTile;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.Arena;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Tries types: what a tensor's values become as a type, and how much the model's predictions change by that. */
public final class TypeInfluence implements AutoCloseable {
    /** Values of a tensor, and rows at least, by which types' errors are compared: their ratio is known to a few percent. */
    private static final int SAMPLED_VALUES = 1 << 15;

    private static final int SAMPLED_ROWS = 16;

    private final Influence influence;
    private final TensorEncoder encoder;

    private TypeInfluence(Influence influence, TensorEncoder encoder) {
        this.influence = influence;
        this.encoder = encoder;
    }

    /**
     * How much is measured.
     *
     * @param windows of the text
     * @param types of each tensor that are tried in the model at most
     */
    public record Effort(int windows, int types) {
        /** From the most thorough on; the first that is affordable is taken, or the last. */
        private static final List<Effort> STEPS = List.of(
                new Effort(8, 12),
                new Effort(8, 8),
                new Effort(8, 4),
                new Effort(4, 4),
                new Effort(4, 2),
                new Effort(2, 2),
                new Effort(2, 1),
                new Effort(1, 1));

        /** Multiplications that are affordable: about an hour on two cores with AVX2. */
        private static final double AFFORDABLE = 1e14;

        /**
         * How thorough a model of this size allows to be.
         *
         * @param windows of the text, at most
         * @param window tokens in one
         */
        public static Effort affordable(Source source, List<TypeCandidates> tensors, int windows, int window) {
            double parameters = source.model().tensors().sources().stream()
                    .mapToLong(tensor -> tensor.info().shape().elements())
                    .sum();
            for (Effort effort : STEPS) {
                Effort possible = new Effort(Math.min(effort.windows, windows), effort.types);
                // On average half of the blocks lie behind a tensor.
                double each = 0.5 * parameters * possible.windows * window;
                if (each * possible.most(tensors) <= AFFORDABLE) {
                    return possible;
                }
            }
            return STEPS.getLast();
        }

        /** Single types of single tensors that go through the model, at most. */
        public long most(List<TypeCandidates> tensors) {
            return tensors.stream()
                    .mapToLong(tensor -> Math.min(types, tensor.types().size() - 1))
                    .sum();
        }
    }

    /** Codes as a conversion writes them; of those chosen together where they start from. */
    public static TensorEncoder encoder(Kernel kernel, Method method) {
        return new Encoding(kernel, method == Method.SEARCH);
    }

    /** @param windows on which predictions are compared */
    public static TypeInfluence open(
            Source source, ForwardPass pass, Windows windows, TensorEncoder encoder, int threads) {
        return new TypeInfluence(Influence.of(source.model(), pass, windows, threads, Forward.DEFAULT_MEMORY), encoder);
    }

    /** How late in the model a tensor acts; tensors are cheapest to try in this order. */
    int depth(TypeCandidates tensor) {
        return influence.depth(tensor.tensor().source().info().name());
    }

    /** Mean divergence, nats, of the model in which this tensor alone has this type. */
    double divergence(TypeCandidates tensor, QuantType type) {
        try (Arena memory = Arena.ofShared()) {
            return influence.of(encoder.encode(tensor.tensor(), type, influence.workers(), memory));
        }
    }

    /**
     * Σ weight · (value - decoded value)² over some of a tensor's rows, for comparing types.
     *
     * @return not finite where the type cannot hold the values
     */
    double error(TypeCandidates candidates, QuantType type) {
        Quantization.Undecided sample = candidates.tensor().sample(SAMPLED_VALUES, SAMPLED_ROWS);
        try (Arena memory = Arena.ofShared()) {
            return error(sample, encoder.encode(sample, type, influence.workers(), memory));
        } catch (ArithmeticException e) {
            // Values too large for the type's search.
            return Double.POSITIVE_INFINITY;
        }
    }

    private double error(Quantization.Undecided tensor, EncodedBlocks blocks) {
        TensorSource source = tensor.source();
        Shape shape = source.info().shape();
        int length = Math.toIntExact(shape.rowLength());
        double[] sums = new double[RowTile.count(shape)];
        influence.workers().each(sums.length, (index, worker) -> {
            RowTile tile = RowTile.of(shape, index);
            float[] values = new float[tile.values(shape)];
            float[] decoded = new float[values.length];
            source.readRows(tile.firstRow(), tile.rows(), values, 0);
            blocks.readRows(tile.firstRow(), tile.rows(), decoded, 0);
            for (int row = 0; row < tile.rows(); row++) {
                sums[index] +=
                        squares(values, decoded, row * length, length, tensor.importanceOf(tile.firstRow() + row));
            }
        });
        double sum = 0;
        for (double part : sums) {
            sum += part;
        }
        return sum;
    }

    private static double squares(float[] values, float[] decoded, int at, int length, float @Nullable [] weights) {
        double sum = 0;
        for (int i = 0; i < length; i++) {
            double off = (double) values[at + i] - decoded[at + i];
            sum += weights == null ? off * off : weights[i] * off * off;
        }
        return sum;
    }

    @Override
    public void close() {
        influence.close();
    }
}
