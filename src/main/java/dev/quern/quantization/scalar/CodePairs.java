package dev.quern.quantization.scalar;

/** How Q2_K and Q3_K lay out 256 codes of two bits: in each half of 128, value i beside i + 32, i + 64 and i + 96. */
public final class CodePairs {
    /** Bytes of 256 codes. */
    public static final int BYTES = 64;

    private CodePairs() {}

    /** Of each code the low two bits. */
    public static void put(byte[] codes, byte[] out, int to) {
        for (int half = 0; half < 2; half++) {
            int from = 128 * half;
            for (int i = 0; i < 32; i++) {
                out[to + 32 * half + i] = (byte) (codes[from + i] & 3
                        | (codes[from + 32 + i] & 3) << 2
                        | (codes[from + 64 + i] & 3) << 4
                        | codes[from + 96 + i] << 6);
            }
        }
    }
}
