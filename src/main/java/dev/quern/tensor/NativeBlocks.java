package dev.quern.tensor;

import java.util.SequencedMap;

/**
 * A weight whose codes are those of a GGUF type, so that its blocks can be written without a value being rounded.
 *
 * @param encoding the type's name, as GGUF has it
 * @param rowBytes bytes of one row of blocks
 * @param reader makes the blocks
 * @param factors what the blocks' values are to be multiplied by besides, and GGUF keeps in tensors of their own: the
 *     last part of such a tensor's name, e.g. "scale", and its value; those that are 1 are left out
 */
public record NativeBlocks(String encoding, long rowBytes, BlockReader reader, SequencedMap<String, Float> factors) {

    /** Makes rows of blocks; stateless. */
    @FunctionalInterface
    public interface BlockReader {
        /** Rows {@code first .. first + count - 1}, one after the other, into {@code out} from index {@code at} on. */
        void readRows(long first, int count, byte[] out, int at);
    }
}
