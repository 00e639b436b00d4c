package dev.quern.tensor;

import java.lang.foreign.MemorySegment;

/** Turns stored bytes into floats. Stateless, so that several threads may share one. */
@FunctionalInterface
public interface RowDecoder {
    /**
     * @param source the bytes of the whole tensor
     * @param firstByte where the first value's element or block begins
     * @param count values to decode; whole blocks
     */
    void decode(MemorySegment source, long firstByte, int count, float[] out, int at);
}
