package dev.quern.tensor;

import java.util.Arrays;

/**
 * The last two axes exchanged, of a tensor that does not lie in a file as it is. Where it does, a {@link Strided} view
 * reads less: this reads each source row that a tile crosses, once for the tile.
 */
public record Transposed(TensorInfo info, TensorSource source) implements TensorSource {
    /** A view of the file where there can be one, otherwise a node over the source. */
    public static TensorSource of(TensorSource source) {
        Shape shape = source.info().shape();
        long[] dims = shape.dims();
        int last = dims.length - 1;
        dims[last] = shape.dim(last - 1);
        dims[last - 1] = shape.dim(last);
        TensorInfo info = source.info().withShape(Shape.of(dims));
        return switch (source) {
            case Stored stored -> new Strided(info, stored.region(), 0, exchanged(rowMajor(shape)), stored.order());
            case Strided view ->
                new Strided(info, view.storage(), view.offset(), exchanged(view.strides()), view.order());
            default -> new Transposed(info, source);
        };
    }

    private static long[] rowMajor(Shape shape) {
        long[] strides = new long[shape.rank()];
        Arrays.fill(strides, 1);
        for (int axis = strides.length - 2; axis >= 0; axis--) {
            strides[axis] = strides[axis + 1] * shape.dim(axis + 1);
        }
        return strides;
    }

    private static long[] exchanged(long[] strides) {
        long[] exchanged = strides.clone();
        int last = strides.length - 1;
        exchanged[last] = strides[last - 1];
        exchanged[last - 1] = strides[last];
        return exchanged;
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int columns = Math.toIntExact(info.shape().rowLength());
        int sourceColumns = Math.toIntExact(source.info().shape().rowLength());
        float[] row = new float[sourceColumns];
        int done = 0;
        while (done < count) {
            long matrix = (first + done) / sourceColumns;
            int column = (int) ((first + done) % sourceColumns);
            int rows = Math.min(count - done, sourceColumns - column);
            for (int i = 0; i < columns; i++) {
                source.readRows(matrix * columns + i, 1, row, 0);
                for (int j = 0; j < rows; j++) {
                    out[at + (done + j) * columns + i] = row[column + j];
                }
            }
            done += rows;
        }
    }
}
