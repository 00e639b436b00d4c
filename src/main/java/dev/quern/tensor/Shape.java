package dev.quern.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * A tensor's dimensions, outermost first as PyTorch and safetensors have them (GGUF writes them innermost first). A row
 * is one run along the last dimension; a scalar is one row of one element. The element count fits a long.
 */
public final class Shape {
    private final long[] dims;
    private final long elements;

    private Shape(long[] dims, long elements) {
        this.dims = dims;
        this.elements = elements;
    }

    /** @throws IllegalArgumentException for a negative dimension or a product beyond 2^63-1 (checked even beside a zero) */
    public static Shape of(long... dims) {
        long product = 1;
        boolean empty = false;
        for (long dim : dims) {
            if (dim < 0) {
                throw new IllegalArgumentException("negative dimension " + dim);
            }
            empty |= dim == 0;
            try {
                product = Math.multiplyExact(product, Math.max(dim, 1));
            } catch (ArithmeticException e) {
                throw new IllegalArgumentException("more than 2^63-1 elements in " + Arrays.toString(dims), e);
            }
        }
        return new Shape(dims.clone(), empty ? 0 : product);
    }

    public int rank() {
        return dims.length;
    }

    public long dim(int axis) {
        return dims[axis];
    }

    public long[] dims() {
        return dims.clone();
    }

    public long elements() {
        return elements;
    }

    /** Elements in a row: the last dimension, 1 for a scalar. */
    public long rowLength() {
        return dims.length == 0 ? 1 : dims[dims.length - 1];
    }

    public long rows() {
        long rows = 1;
        for (int i = 0; i < dims.length - 1; i++) {
            rows *= dims[i];
        }
        return rows;
    }

    /** As ggml has it, which keeps no dimensions of one on the outside, except the last axis. */
    public Shape withoutOuterOnes() {
        int from = 0;
        while (from < dims.length - 1 && dims[from] == 1) {
            from++;
        }
        return from == 0 ? this : of(Arrays.copyOfRange(dims, from, dims.length));
    }

    /** An element's place for messages, {@code [row, column]} in a matrix. */
    public String index(long element) {
        long[] index = new long[dims.length];
        long rest = element;
        for (int axis = dims.length - 1; axis >= 0; axis--) {
            index[axis] = rest % dims[axis];
            rest /= dims[axis];
        }
        return Arrays.toString(index);
    }

    public Shape with(int axis, long dim) {
        long[] changed = dims.clone();
        changed[axis] = dim;
        return of(changed);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(dims, shape.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    /** {@code [4096, 11008]} */
    @Override
    public String toString() {
        return Arrays.stream(dims).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"));
    }
}
