package dev.quern.tensor;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.io.Region;

/** Values as they lie in a file: row-major, without gaps, little-endian. */
public record Stored(TensorInfo info, Region region) implements TensorSource {
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

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        long length = info.shape().rowLength();
        Reading.guarded(
                region,
                () -> Elements.decode(
                        info.dtype(),
                        region.segment(),
                        first * length * info.dtype().bytes(),
                        Math.toIntExact(count * length),
                        out,
                        at));
    }
}
