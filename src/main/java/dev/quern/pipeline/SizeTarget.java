package dev.quern.pipeline;

import java.util.List;

/** How large a model may be, in one of two measures. */
public sealed interface SizeTarget {
    /** Bytes of whole files, of all parts together. */
    record FileBytes(long most) implements SizeTarget {
        @Override
        public long of(List<OutputPlan> outputs) {
            return outputs.stream().mapToLong(plan -> plan.layout().fileSize()).sum();
        }

        @Override
        public long most(List<OutputPlan> outputs) {
            return most;
        }
    }

    /** Bits of tensor data for each parameter. */
    record BitsPerWeight(double most) implements SizeTarget {
        @Override
        public long of(List<OutputPlan> outputs) {
            return outputs.stream()
                    .flatMap(plan -> plan.tensors().stream())
                    .mapToLong(PlannedTensor::bytes)
                    .sum();
        }

        @Override
        public long most(List<OutputPlan> outputs) {
            return (long) Math.floor(
                    most * outputs.stream().mapToLong(OutputPlan::parameters).sum() / 8);
        }
    }

    /** The bytes that count. */
    long of(List<OutputPlan> outputs);

    /** How many there may be of them. */
    long most(List<OutputPlan> outputs);
}
