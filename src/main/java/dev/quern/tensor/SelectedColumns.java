package dev.quern.tensor;

import java.util.function.LongUnaryOperator;

/**
 * Some columns of every row, in another order; of a vector some elements.
 *
 * @param sourceColumn column of {@code source} that stands at a given column of this tensor
 */
public record SelectedColumns(TensorInfo info, TensorSource source, LongUnaryOperator sourceColumn)
        implements TensorSource {
    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int length = Math.toIntExact(info.shape().rowLength());
        float[] given = new float[Math.toIntExact(source.info().shape().rowLength())];
        for (int row = 0; row < count; row++) {
            source.readRows(first + row, 1, given, 0);
            for (int column = 0; column < length; column++) {
                out[at + row * length + column] = given[(int) sourceColumn.applyAsLong(column)];
            }
        }
    }
}
