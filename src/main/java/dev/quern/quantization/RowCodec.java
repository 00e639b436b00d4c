package dev.quern.quantization;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A codec without its arithmetic: holds the type, and refuses ranges that do not fit before a kernel sees them. */
public abstract class RowCodec implements BlockCodec {
    private final QuantType type;

    protected RowCodec(QuantType type) {
        this.type = type;
    }

    @Override
    public final QuantType type() {
        return type;
    }

    @Override
    public final void quantize(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        int bytes = Math.toIntExact(type.bytesFor(length));
        Objects.checkFromIndexSize(from, length, row.length);
        Objects.checkFromIndexSize(to, bytes, out.length);
        if (importance != null) {
            Objects.checkFromIndexSize(0, length, importance.length);
        }
        encode(row, from, length, importance, out, to);
    }

    @Override
    public final void dequantize(MemorySegment blocks, long at, int count, float[] out, int to) {
        Objects.checkFromIndexSize(at, type.bytesFor(count), blocks.byteSize());
        Objects.checkFromIndexSize(to, count, out.length);
        decode(blocks, at, count, out, to);
    }

    /** As {@link BlockCodec#quantize}, with ranges that fit. */
    protected abstract void encode(
            float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to);

    /** As {@link BlockCodec#dequantize}, with ranges that fit. */
    protected abstract void decode(MemorySegment blocks, long at, int count, float[] out, int to);
}
