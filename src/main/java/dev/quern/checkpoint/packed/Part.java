package dev.quern.checkpoint.packed;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.tensor.DType;
import dev.quern.tensor.Elements;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** One tensor of a packed weight: codes, scales, zero points; row-major and without gaps in its file. */
record Part(TensorInfo info, Region region) {
    /** 32 codes to a word make a side of a weight from a side of the packed matrix. */
    private static final long LONGEST_SIDE = Integer.MAX_VALUE / 32;

    String name() {
        return info.name();
    }

    DType dtype() {
        return info.dtype();
    }

    Shape shape() {
        return info.shape();
    }

    long elements() {
        return info.shape().elements();
    }

    MemorySegment segment() {
        return region.segment();
    }

    /** {@code count} elements from the {@code first} on, counted row-major, as floats. */
    void floats(long first, int count, float[] out, int at) {
        Elements.decode(dtype(), segment(), first * dtype().bytes(), count, out, at);
    }

    float[] floats() {
        float[] values = new float[Math.toIntExact(elements())];
        floats(0, values.length, values, 0);
        return values;
    }

    float only() {
        expectElements(1);
        return floats()[0];
    }

    /** A 32-bit word of the codes. */
    static int word(MemorySegment segment, long index) {
        return segment.get(Region.INT, 4 * index);
    }

    /** An integer element; the tensor is I32 or I64. */
    long integer(long index) {
        return dtype() == DType.I64 ? region.i64(8 * index) : region.i32(4 * index);
    }

    /**
     * Each column's group, as a tensor of act-order says; null when they are in order, which is what it says without.
     *
     * @param size columns of a group that are in order
     */
    int @Nullable [] groups(int columns, int groups, long size) {
        expect(DType.I32, DType.I64).expectElements(columns);
        int[] groupOf = new int[columns];
        boolean inOrder = true;
        for (int i = 0; i < columns; i++) {
            long group = integer(i);
            if (group < 0 || group >= groups) {
                throw refused("element " + i + ": expected a group from 0 to " + (groups - 1) + ", found " + group);
            }
            groupOf[i] = (int) group;
            inOrder &= group == i / size;
        }
        return inOrder ? null : groupOf;
    }

    Part expect(DType... types) {
        for (DType type : types) {
            if (dtype() == type) {
                return this;
            }
        }
        throw refused("expected "
                + String.join(" or ", Arrays.stream(types).map(Enum::name).toList()) + ", found " + dtype());
    }

    Part expectFloat() {
        if (!dtype().isFloat()) {
            throw refused("expected floats, found " + dtype());
        }
        return this;
    }

    Part expectShape(long... dims) {
        Shape expected = Shape.of(dims);
        if (!shape().equals(expected)) {
            throw refused("expected the shape " + expected + ", found " + shape());
        }
        return this;
    }

    Part expectElements(long count) {
        if (elements() != count) {
            throw refused(
                    "expected " + count + (count == 1 ? " element" : " elements") + ", found the shape " + shape());
        }
        return this;
    }

    /** Of at least one row and one column, and few enough that what is packed in them can be counted with an int. */
    Part expectMatrix() {
        if (shape().rank() != 2) {
            throw refused("expected a matrix, found the shape " + shape());
        }
        if (Math.max(shape().dim(0), shape().dim(1)) > LONGEST_SIDE) {
            throw refused(
                    "expected a matrix of at most " + LONGEST_SIDE + " rows and columns, found the shape " + shape());
        }
        return this;
    }

    /** The length of a row of the weight that this is packed from; for a tile of it there must be an array. */
    int width(Shape weight) {
        if (weight.rowLength() > Integer.MAX_VALUE / 2) {
            throw refused("expected rows that an array holds, found the shape " + weight);
        }
        return (int) weight.rowLength();
    }

    InputException refused(String problem) {
        return InputException.of(region.file().path(), "tensor " + Quoted.of(name()), problem);
    }
}
