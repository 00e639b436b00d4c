package dev.quern.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Blocks in memory, read as floats, that lie in no file yet.
 *
 * @param rowBytes bytes of one row of blocks
 */
public record Encoded(TensorInfo info, byte[] encoded, long rowBytes, RowDecoder decoder) implements TensorSource {
    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int values = Math.toIntExact(count * info.shape().rowLength());
        decoder.decode(MemorySegment.ofArray(encoded), first * rowBytes, values, out, at);
    }
}
