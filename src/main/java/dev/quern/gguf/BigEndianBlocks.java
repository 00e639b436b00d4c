package dev.quern.gguf;

import dev.quern.quantization.QuantType;
import dev.quern.tensor.Dequantized.BlockLayout;
import dev.quern.tensor.Elements;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * Blocks as a big-endian machine writes them: ggml's structs (ggml-common.h) with their 16-bit and 32-bit numbers turned
 * around, all else the same. gguf-py's gguf-convert-endian turns around the same bytes of the types it knows.
 *
 * @param type of the blocks
 * @param numbers pairs of a number's place in the block and its bytes
 * @param rowBytes bytes of one row
 */
record BigEndianBlocks(QuantType type, int[] numbers, int rowBytes) implements BlockLayout {

    /** Empty for types that ggml fills through words of its own machine, so that no two such machines need agree. */
    static Optional<BigEndianBlocks> of(QuantType type, long rowBytes) {
        int[] numbers = switch (type) {
            case Q4_0, Q8_0, IQ4_NL -> new int[] {0, 2};
            case Q4_1, Q4_K, Q5_K -> new int[] {0, 2, 2, 2};
            // The fifth bits are one 32-bit word.
            case Q5_0 -> new int[] {0, 2, 2, 4};
            case Q5_1 -> new int[] {0, 2, 2, 2, 4, 4};
            case Q2_K -> new int[] {80, 2, 82, 2};
            case Q3_K -> new int[] {108, 2};
            case Q6_K -> new int[] {208, 2};
            case TQ1_0 -> new int[] {52, 2};
            case TQ2_0 -> new int[] {64, 2};
            case Q1_0, Q2_0 -> new int[] {0, 2};
            case MXFP4, NVFP4 -> new int[0];
            default -> null;
        };
        return numbers == null
                ? Optional.empty()
                : Optional.of(new BigEndianBlocks(type, numbers, Math.toIntExact(rowBytes)));
    }

    @Override
    public void repack(MemorySegment source, long firstByte, int rows, byte[] out) {
        int bytes = Math.multiplyExact(rows, rowBytes);
        MemorySegment.copy(source, ValueLayout.JAVA_BYTE, firstByte, out, 0, bytes);
        turn(out, bytes);
    }

    /** Decodes blocks that have first been turned around. */
    RowDecoder over(RowDecoder decoder) {
        return (source, firstByte, count, out, at) -> {
            byte[] blocks = source.asSlice(firstByte, type.bytesFor(count)).toArray(ValueLayout.JAVA_BYTE);
            turn(blocks, blocks.length);
            decoder.decode(MemorySegment.ofArray(blocks), 0, count, out, at);
        };
    }

    private void turn(byte[] blocks, int length) {
        byte[] number = new byte[Integer.BYTES];
        for (int block = 0; block < length; block += type.blockBytes()) {
            for (int i = 0; i < numbers.length; i += 2) {
                System.arraycopy(blocks, block + numbers[i], number, 0, numbers[i + 1]);
                Elements.swap(number, numbers[i + 1], numbers[i + 1]);
                System.arraycopy(number, 0, blocks, block + numbers[i], numbers[i + 1]);
            }
        }
    }
}
