package dev.quern.architecture;

import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;

/**
 * How many parameters a model has, as gguf-py counts them.
 *
 * @param total of all tensors
 * @param shared outside the experts
 * @param expert of one expert, in all layers
 * @param experts in one layer; 0 for a dense model
 */
public record ParameterCount(long total, long shared, long expert, long experts) {
    /** Of what is not counted. */
    public static final ParameterCount NONE = new ParameterCount(0, 0, 0, 0);

    public static ParameterCount of(TensorGraph graph) {
        long total = 0;
        long shared = 0;
        long expert = 0;
        long sum = 0;
        long stacks = 0;
        for (TensorSource source : graph.sources()) {
            Shape shape = source.info().shape();
            String name = source.info().name();
            total += shape.elements();
            if (name.contains("_exps.") && shape.rank() >= 3) {
                long experts = shape.dim(shape.rank() - (name.contains(".bias") ? 2 : 3));
                expert += shape.elements() / experts;
                sum += experts;
                stacks++;
            } else {
                shared += shape.elements();
            }
        }
        return new ParameterCount(total, shared, expert, stacks == 0 ? 0 : sum / stacks);
    }

    /** {@code 6.7B}, or {@code 8x7B} with experts. */
    String label() {
        return experts == 0 ? ModelName.sizeLabel(total) : experts + "x" + ModelName.sizeLabel(shared + expert);
    }
}
