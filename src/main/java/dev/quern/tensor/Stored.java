package dev.quern.tensor;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import java.nio.ByteOrder;

/**
 * Values as they lie in a file: row-major, without gaps.
 *
 * @param order of the bytes of one element
 */
public record Stored(TensorInfo info, Region region, ByteOrder order) implements TensorSource {
    public Stored {
        long need = Math.multiplyExact(info.shape().elements(), info.dtype().bytes());
        if (need != region.length()) {
            throw InputException.expected(
                    region.file().path(),
                    "tensor " + Quoted.of(info.name()),
                    need + " bytes for " + info.dtype() + " " + info.shape(),
                    region.length() + " bytes");
        }
    }

    /** Little-endian, as nearly all files are. */
    public Stored(TensorInfo info, Region region) {
        this(info, region, ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        long length = info.shape().rowLength();
        Reading.guarded(
                region,
                () -> Elements.decode(
                        info.dtype(),
                        order,
                        region.segment(),
                        first * length * info.dtype().bytes(),
                        Math.toIntExact(count * length),
                        out,
                        at));
    }

    /** Puts the bytes of rows {@code first .. first + count - 1} at the start of {@code out}, little-endian. */
    public void copyRows(long first, int count, byte[] out) {
        long rowBytes = info.shape().rowLength() * info.dtype().bytes();
        int bytes = Math.toIntExact(count * rowBytes);
        Reading.guarded(region, () -> region.copyTo(first * rowBytes, out, bytes));
        if (order == ByteOrder.BIG_ENDIAN) {
            Elements.swap(out, bytes, info.dtype().bytes());
        }
    }
}
