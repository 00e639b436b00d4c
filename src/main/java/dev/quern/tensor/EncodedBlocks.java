package dev.quern.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Blocks in memory, read as floats: a tensor as it would be if it were stored as another type. {@code info.dtype()} is
 * F32: what the rows are once decoded.
 *
 * @param segment rows of blocks, one after the other
 * @param encoding the blocks' type name, as GGUF has it
 * @param rowBytes bytes of one row
 */
public record EncodedBlocks(TensorInfo info, MemorySegment segment, String encoding, long rowBytes, RowDecoder decoder)
        implements TensorSource {
    public EncodedBlocks {
        if (segment.byteSize() != Math.multiplyExact(info.shape().rows(), rowBytes)) {
            throw new IllegalArgumentException(segment.byteSize() + " bytes for rows of " + rowBytes + " in " + info);
        }
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        decoder.decode(
                segment, first * rowBytes, Math.toIntExact(count * info.shape().rowLength()), out, at);
    }
}
