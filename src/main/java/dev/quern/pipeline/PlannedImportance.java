package dev.quern.pipeline;

import dev.quern.importance.ActivationSums;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.util.Arrays;

/** What stands for an importance matrix where a calibration is only planned. */
public final class PlannedImportance {
    private PlannedImportance() {}

    /**
     * Every matrix of a block counts as calibrated, and all of its columns alike.
     *
     * @param tokens of the calibration text
     * @param sums receives them
     */
    public static void add(Source source, long tokens, ActivationSums sums) {
        for (TensorSource tensor : source.model().tensors().sources()) {
            TensorInfo info = tensor.info();
            if (info.name().startsWith("blk.")
                    && info.name().endsWith(".weight")
                    && info.shape().rank() > 1) {
                int matrices =
                        Math.toIntExact(info.shape().rank() > 2 ? info.shape().dim(0) : 1);
                double[][] alike =
                        new double[matrices][Math.toIntExact(info.shape().rowLength())];
                long[] counts = new long[matrices];
                Arrays.fill(counts, tokens);
                for (double[] squares : alike) {
                    Arrays.fill(squares, 1);
                }
                sums.add(info.name(), alike, counts);
            }
        }
    }
}
