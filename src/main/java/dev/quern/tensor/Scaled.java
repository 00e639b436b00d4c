package dev.quern.tensor;

/** Every value times one factor. */
public record Scaled(TensorInfo info, TensorSource source, float factor) implements TensorSource {
    @Override
    public void readRows(long first, int count, float[] out, int at) {
        source.readRows(first, count, out, at);
        int values = Math.toIntExact(count * info.shape().rowLength());
        for (int i = at; i < at + values; i++) {
            out[i] *= factor;
        }
    }
}
