package dev.quern.tensor;

/**
 * A tensor whose rows come from elsewhere from some moment on: of a model that is quantized tensor by tensor while it is
 * being computed. Readers see the old rows or the new ones; who replaces must not do so while somebody reads.
 */
public final class Replaceable implements TensorSource {
    private final TensorInfo info;
    private volatile TensorSource rows;

    public Replaceable(TensorSource rows) {
        this.info = rows.info();
        this.rows = rows;
    }

    /** @throws IllegalArgumentException when the shape is another */
    public void replace(TensorSource with) {
        if (!with.info().shape().equals(info.shape())) {
            throw new IllegalArgumentException(with.info().shape() + " for " + info.shape());
        }
        rows = with;
    }

    /** Where the rows come from now. */
    public TensorSource rows() {
        return rows;
    }

    @Override
    public TensorInfo info() {
        return info;
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        rows.readRows(first, count, out, at);
    }
}
