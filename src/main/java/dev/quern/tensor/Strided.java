package dev.quern.tensor;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import java.nio.ByteOrder;

/**
 * A view into a torch storage: element (i, j, …) lies {@code offset + i·strides[0] + j·strides[1] + …} elements in.
 *
 * @param storage the whole storage's bytes
 * @param offset elements before the view's first
 * @param strides elements from one index to the next, one for each axis, not negative
 * @param order of the bytes of one element
 */
public record Strided(TensorInfo info, Region storage, long offset, long[] strides, ByteOrder order)
        implements TensorSource {
    public Strided {
        strides = strides.clone();
        Shape shape = info.shape();
        if (strides.length != shape.rank()) {
            throw refused(info, storage, "has " + shape.rank() + " sizes and " + strides.length + " strides");
        }
        try {
            long last = offset;
            for (int axis = 0; axis < strides.length; axis++) {
                if (strides[axis] < 0) {
                    throw refused(info, storage, "has the negative stride " + strides[axis]);
                }
                if (shape.elements() > 0) {
                    last = Math.addExact(last, Math.multiplyExact(shape.dim(axis) - 1, strides[axis]));
                }
            }
            long held = storage.length() / info.dtype().bytes();
            if (offset < 0 || (shape.elements() == 0 ? offset > held : last >= held)) {
                throw refused(
                        info,
                        storage,
                        "reaches element " + last + " of a storage that holds " + held + " (offset " + offset + ")");
            }
        } catch (ArithmeticException e) {
            throw refused(info, storage, "reaches beyond 2^63-1 elements");
        }
    }

    /** Little-endian, as nearly all files are. */
    public Strided(TensorInfo info, Region storage, long offset, long[] strides) {
        this(info, storage, offset, strides, ByteOrder.LITTLE_ENDIAN);
    }

    private static InputException refused(TensorInfo info, Region storage, String problem) {
        return InputException.of(storage.file().path(), "tensor " + Quoted.of(info.name()), problem);
    }

    /**
     * A matrix that lies in a file with rows and columns exchanged.
     *
     * @throws IllegalArgumentException when the source is no matrix of elements in a file
     */
    public static Strided transposed(TensorSource source) {
        Shape shape = source.info().shape();
        TensorInfo info = source.info().withShape(Shape.of(shape.dim(1), shape.dim(0)));
        return switch (source) {
            case Stored stored -> new Strided(info, stored.region(), 0, new long[] {1, shape.dim(1)}, stored.order());
            case Strided view ->
                new Strided(info, view.storage, view.offset, new long[] {view.strides[1], view.strides[0]}, view.order);
            default -> throw new IllegalArgumentException(source.info().name() + " does not lie in a file");
        };
    }

    /** Whether the elements lie row-major without gaps, so that the view is as good as {@link Stored}. */
    public static boolean isContiguous(Shape shape, long[] strides) {
        long expected = 1;
        for (int axis = shape.rank() - 1; axis >= 0; axis--) {
            if (shape.dim(axis) != 1 && strides[axis] != expected) {
                return false;
            }
            expected *= shape.dim(axis);
        }
        return true;
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int length = Math.toIntExact(info.shape().rowLength());
        long step = strides.length == 0 ? 1 : strides[strides.length - 1];
        if (step != 1 && strides.length > 1 && strides[strides.length - 2] == 1) {
            Reading.guarded(storage, () -> readColumns(first, count, step, out, at));
            return;
        }
        Reading.guarded(storage, () -> {
            for (int row = 0; row < count; row++) {
                long element = elementOfRow(first + row);
                if (step == 1) {
                    decode(element, length, out, at + row * length);
                } else {
                    for (int i = 0; i < length; i++) {
                        decode(element + i * step, 1, out, at + row * length + i);
                    }
                }
            }
        });
    }

    /** Rows whose elements lie beside those of the next row: what is read together is decoded together. */
    private void readColumns(long first, int count, long step, float[] out, int at) {
        int length = Math.toIntExact(info.shape().rowLength());
        long neighbours = info.shape().dim(strides.length - 2);
        float[] column = new float[count];
        int done = 0;
        while (done < count) {
            long element = elementOfRow(first + done);
            int rows = (int) Math.min(count - done, neighbours - (first + done) % neighbours);
            for (int i = 0; i < length; i++) {
                decode(element + i * step, rows, column, 0);
                for (int j = 0; j < rows; j++) {
                    out[at + (done + j) * length + i] = column[j];
                }
            }
            done += rows;
        }
    }

    private void decode(long element, int count, float[] out, int at) {
        Elements.decode(
                info.dtype(), order, storage.segment(), element * info.dtype().bytes(), count, out, at);
    }

    private long elementOfRow(long row) {
        long element = offset;
        long rest = row;
        for (int axis = strides.length - 2; axis >= 0; axis--) {
            long dim = info.shape().dim(axis);
            element += rest % dim * strides[axis];
            rest /= dim;
        }
        return element;
    }
}
