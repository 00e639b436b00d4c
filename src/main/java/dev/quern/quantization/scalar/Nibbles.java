package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import java.lang.foreign.MemorySegment;

/** How blocks of 32 codes of four or five bits are laid out: value i beside value i + 16, the fifth bits apart. */
public final class Nibbles {
    /** Values in a block. */
    public static final int LENGTH = 32;

    private static final int HALF = LENGTH / 2;

    private Nibbles() {}

    /** Stores 16 bytes of two codes each; of each code the low four bits. */
    public static void put(byte[] codes, int from, byte[] out, int to) {
        for (int i = 0; i < HALF; i++) {
            out[to + i] = (byte) (codes[from + i] & 0x0F | codes[from + HALF + i] << 4);
        }
    }

    /** Stores the fifth bits: bit i of four bytes is value i's. */
    public static void putFifthBits(byte[] codes, int from, byte[] out, int to) {
        int bits = 0;
        for (int i = 0; i < LENGTH; i++) {
            bits |= (codes[from + i] >> 4 & 1) << i;
        }
        BlockBytes.putInt(out, to, bits);
    }

    static int low(MemorySegment blocks, long at, int i) {
        return BlockBytes.unsigned(blocks, at + i) & 0x0F;
    }

    static int high(MemorySegment blocks, long at, int i) {
        return BlockBytes.unsigned(blocks, at + i) >> 4;
    }
}
