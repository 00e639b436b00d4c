package dev.quern.tensor;

/** Some rows of a tensor, as many as are worked on at once. */
public record RowTile(long firstRow, int rows) {
    /** Values in a tile: half a MiB of floats stays in a core's second-level cache while every codec looks at it. */
    public static final int VALUES = 1 << 17;

    /** How many rows of a shape a tile has, except the last: at least one, however long it is. */
    public static int rowsAtOnce(Shape shape) {
        return Math.clamp(VALUES / Math.max(1, shape.rowLength()), 1, Integer.MAX_VALUE);
    }

    /** How many tiles a shape has. */
    public static int count(Shape shape) {
        return Math.toIntExact(Math.ceilDiv(shape.rows(), rowsAtOnce(shape)));
    }

    /** @param index from 0 to below {@link #count} */
    public static RowTile of(Shape shape, int index) {
        long first = (long) index * rowsAtOnce(shape);
        return new RowTile(first, (int) Math.min(rowsAtOnce(shape), shape.rows() - first));
    }

    /** Values in the tile. */
    public int values(Shape shape) {
        return Math.toIntExact(rows * shape.rowLength());
    }
}
