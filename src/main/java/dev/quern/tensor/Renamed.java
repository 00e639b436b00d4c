package dev.quern.tensor;

/** The same rows under another name or another shape with the same row length. */
public record Renamed(TensorInfo info, TensorSource source) implements TensorSource {
    public Renamed {
        if (info.shape().elements() != source.info().shape().elements()
                || info.shape().rowLength() != source.info().shape().rowLength()) {
            throw new IllegalArgumentException(
                    info.shape() + " is not the rows of " + source.info().shape());
        }
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        source.readRows(first, count, out, at);
    }
}
