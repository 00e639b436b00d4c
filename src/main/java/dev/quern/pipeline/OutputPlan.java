package dev.quern.pipeline;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufMetadata;
import java.util.List;

/**
 * A whole output file, decided before a byte is written: metadata, and tensors in file order.
 *
 * @param type the file type's name, e.g. Q4_K_M
 */
public record OutputPlan(String type, GgufMetadata metadata, List<PlannedTensor> tensors) {
    public OutputPlan {
        tensors = List.copyOf(tensors);
    }

    /** Every byte's place. */
    public GgufLayout layout() {
        return GgufLayout.plan(
                metadata,
                tensors.stream()
                        .map(tensor -> new GgufLayout.Entry(tensor.name(), tensor.type(), tensor.shape()))
                        .toList());
    }

    public long parameters() {
        return tensors.stream().mapToLong(tensor -> tensor.shape().elements()).sum();
    }

    /** Bits of tensor data for each parameter. */
    public double bitsPerWeight() {
        return 8.0 * tensors.stream().mapToLong(PlannedTensor::bytes).sum() / Math.max(1, parameters());
    }
}
