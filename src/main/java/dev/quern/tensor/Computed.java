package dev.quern.tensor;

/** A small vector that lies in no file: rope factors, a permuted bias. */
public record Computed(TensorInfo info, float[] values) implements TensorSource {
    public Computed {
        if (info.shape().elements() != values.length) {
            throw new IllegalArgumentException(values.length + " values for " + info.shape());
        }
        values = values.clone();
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int length = Math.toIntExact(info.shape().rowLength());
        System.arraycopy(values, Math.toIntExact(first * length), out, at, count * length);
    }
}
