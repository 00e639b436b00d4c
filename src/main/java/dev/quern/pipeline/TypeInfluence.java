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
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * What each type of each tensor costs: the divergence of the model in which that tensor alone has that type. Where not
 * all types are measured in the model, the others follow from those that are by their squared errors, weighted with
 * importance: of errors that are alike in kind, the divergence grows as the error does.
 */
public final class TypeInfluence {
    private TypeInfluence() {}

    /**
     * How much is measured.
     *
     * @param windows of the text
     * @param types of each tensor that are measured in the model, those nearest to what is aimed at; a large number for
     *     all
     */
    public record Effort(int windows, int types) {
        /** All types. */
        public static final int ALL = 1000;

        /** From the most thorough on; the first that is affordable is taken, or the last. */
        private static final List<Effort> STEPS = List.of(
                new Effort(32, ALL),
                new Effort(16, ALL),
                new Effort(8, ALL),
                new Effort(8, 4),
                new Effort(8, 2),
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
            for (Effort effort : STEPS) {
                Effort possible = new Effort(Math.min(effort.windows, windows), effort.types);
                if (possible.multiplications(source, tensors, window) <= AFFORDABLE) {
                    return possible;
                }
            }
            return STEPS.getLast();
        }

        /** Single types of single tensors that go through the model. */
        public long measurements(List<TypeCandidates> tensors) {
            return tensors.stream()
                    .mapToLong(tensor -> Math.min(types, tensor.types().size() - 1))
                    .sum();
        }

        /** On average half of the blocks lie behind a tensor. */
        private double multiplications(Source source, List<TypeCandidates> tensors, int window) {
            double parameters = source.model().tensors().sources().stream()
                    .mapToLong(tensor -> tensor.info().shape().elements())
                    .sum();
            return 0.5 * parameters * windows * window * measurements(tensors);
        }
    }

    /**
     * What one type of one tensor costs.
     *
     * @param divergence nats
     * @param error Σ weight · (value - decoded value)²
     * @param measured whether the divergence was measured in the model, and not taken from the error
     */
    public record Cost(double divergence, double error, boolean measured) {}

    /** Hears of every type that is done. */
    @FunctionalInterface
    public interface Listener {
        void done();
    }

    /** The codes that a conversion writes: llama-quantize's. */
    public static TensorEncoder reference(Kernel kernel) {
        return new ReferenceEncoder(kernel);
    }

    /**
     * @param aim bits for a weight: types near it are measured first
     * @return for each tensor, in order, its types with what they cost; types that cannot hold its values are left out
     */
    public static List<SequencedMap<QuantType, Cost>> measure(
            Source source,
            ForwardPass pass,
            Windows windows,
            List<TypeCandidates> tensors,
            Effort effort,
            double aim,
            TensorEncoder encoder,
            int threads,
            Listener listener) {
        List<SequencedMap<QuantType, Cost>> costs = new ArrayList<>();
        tensors.forEach(tensor -> costs.add(new LinkedHashMap<>()));
        try (Influence influence =
                Influence.of(source.model(), pass, windows, threads, Forward.DEFAULT_MEMORY)) {
            List<Integer> order = new ArrayList<>();
            for (int i = 0; i < tensors.size(); i++) {
                order.add(i);
            }
            order.sort(Comparator.comparingInt(i -> influence.depth(
                    tensors.get(i).tensor().source().info().name())));
            for (int i : order) {
                costs.set(i, new OfTensor(influence, encoder, tensors.get(i), effort, aim, listener).costs());
            }
        }
        return costs;
    }

    private record OfTensor(
            Influence influence,
            TensorEncoder encoder,
            TypeCandidates candidates,
            Effort effort,
            double aim,
            Listener listener) {
        SequencedMap<QuantType, Cost> costs() {
            Map<QuantType, Double> errors = new EnumMap<>(QuantType.class);
            Map<QuantType, Double> measured = new EnumMap<>(QuantType.class);
            List<QuantType> lossy = new ArrayList<>(candidates.types());
            lossy.remove(candidates.largest());
            lossy.sort(Comparator.comparingDouble(type -> Math.abs(type.bitsPerWeight() - aim)));
            for (QuantType type : lossy) {
                one(type, measured.size() < effort.types(), errors, measured);
                listener.done();
            }
            SequencedMap<QuantType, Cost> costs = new LinkedHashMap<>();
            for (QuantType type : candidates.types()) {
                if (type == candidates.largest()) {
                    costs.put(type, new Cost(0, 0, true));
                } else if (errors.containsKey(type)) {
                    double error = errors.get(type);
                    Double divergence = measured.get(type);
                    costs.put(
                            type,
                            divergence != null
                                    ? new Cost(divergence, error, true)
                                    : new Cost(scaled(error, errors, measured), error, false));
                }
            }
            return costs;
        }

        private void one(
                QuantType type, boolean wanted, Map<QuantType, Double> errors, Map<QuantType, Double> measured) {
            try (Arena memory = Arena.ofShared()) {
                EncodedBlocks blocks = encoder.encode(candidates.tensor(), type, influence.workers(), memory);
                double error = error(blocks);
                if (Double.isFinite(error)) {
                    errors.put(type, error);
                    if (wanted) {
                        measured.put(type, influence.of(blocks));
                    }
                }
            } catch (ArithmeticException e) {
                // Values too large for the type's search; the tensor does not get this type.
                errors.remove(type);
            }
        }

        /** By the measured type whose error is nearest, as a ratio. */
        private static double scaled(
                double error, Map<QuantType, Double> errors, Map<QuantType, Double> measured) {
            if (error == 0) {
                return 0;
            }
            double nearest = Double.POSITIVE_INFINITY;
            double divergence = 0;
            for (Map.Entry<QuantType, Double> one : measured.entrySet()) {
                double other = errors.get(one.getKey());
                if (other == 0) {
                    continue;
                }
                double distance = Math.abs(Math.log(error / other));
                if (distance < nearest) {
                    nearest = distance;
                    divergence = one.getValue() * error / other;
                }
            }
            return divergence;
        }

        private double error(EncodedBlocks blocks) {
            TensorSource source = candidates.tensor().source();
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
                    sums[index] += squares(
                            values, decoded, row * length, length, candidates.tensor().importanceOf(tile.firstRow() + row));
                }
            });
            double sum = 0;
            for (double part : sums) {
                sum += part;
            }
            return sum;
        }

        private static double squares(
                float[] values, float[] decoded, int at, int length, float @org.jspecify.annotations.Nullable [] weights) {
            double sum = 0;
            for (int i = 0; i < length; i++) {
                double off = (double) values[at + i] - decoded[at + i];
                sum += weights == null ? off * off : weights[i] * off * off;
            }
            return sum;
        }
    }
}
