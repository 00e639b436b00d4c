package dev.quern.quantization.scalar;

import dev.quern.quantization.QuantType;
import dev.quern.quantization.RowCodec;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Encodes each block for itself, with importance or without. */
abstract class BlockwiseCodec extends RowCodec {
    private final RowDecoder decoder;

    BlockwiseCodec(QuantType type, RowDecoder decoder) {
        super(type);
        this.decoder = decoder;
    }

    @Override
    protected final void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        int blockLength = type().blockLength();
        int blockBytes = type().blockBytes();
        for (int block = 0; block < length / blockLength; block++) {
            int at = block * blockLength;
            encodeBlock(row, from + at, importance, at, out, to + block * blockBytes);
        }
    }

    @Override
    protected final void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        decoder.decode(blocks, at, count, out, to);
    }

    /** One block; {@code importance[importanceFrom]} belongs to its first value. */
    abstract void encodeBlock(
            float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to);
}
