package dev.quern.verification;

import dev.quern.io.Quoted;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Source;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.List;

/** What can be said of a file alone: that every value of every tensor is a number, as llama.cpp's own validation asks. */
public final class Soundness {
    private static final int TILE_VALUES = 1 << 17;

    private Soundness() {}

    /** @return one line for each tensor with a value that is NaN or infinite */
    public static List<String> problems(Source file, Progress progress) {
        List<String> problems = new ArrayList<>();
        progress.begin(
                "checking",
                file.model().tensors().sources().stream()
                        .mapToLong(tensor -> tensor.info().shape().elements())
                        .sum());
        float[] values = new float[0];
        for (TensorSource tensor : file.model().tensors().sources()) {
            Shape shape = tensor.info().shape();
            long length = Math.max(1, shape.rowLength());
            int rows = Math.clamp(TILE_VALUES / length, 1, Integer.MAX_VALUE);
            long bad = -1;
            for (long row = 0; row < shape.rows() && bad < 0; row += rows) {
                int count = (int) Math.min(rows, shape.rows() - row);
                int needed = Math.toIntExact(count * length);
                if (values.length < needed) {
                    values = new float[needed];
                }
                tensor.readRows(row, count, values, 0);
                int at = firstNotFinite(values, needed);
                if (at >= 0) {
                    bad = row * length + at;
                }
                progress.advance(needed);
            }
            if (bad >= 0) {
                problems.add("tensor " + Quoted.of(tensor.info().name()) + ": element [" + bad / length + ", "
                        + bad % length + "] is NaN or infinite");
            }
        }
        progress.end();
        return problems;
    }

    private static int firstNotFinite(float[] values, int count) {
        for (int i = 0; i < count; i++) {
            if (!Float.isFinite(values[i])) {
                return i;
            }
        }
        return -1;
    }
}
