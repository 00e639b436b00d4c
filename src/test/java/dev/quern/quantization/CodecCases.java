package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the codec tests have in common: the types they are about, rows, and how bytes are compared. */
final class CodecCases {
    /** Types whose rows may have any whole number of blocks. */
    static final List<QuantType> TYPES = List.of(
            QuantType.F32,
            QuantType.F16,
            QuantType.BF16,
            QuantType.Q8_0,
            QuantType.Q4_0,
            QuantType.Q4_1,
            QuantType.Q5_0,
            QuantType.Q5_1,
            QuantType.Q2_K,
            QuantType.Q3_K,
            QuantType.Q4_K,
            QuantType.Q5_K,
            QuantType.Q6_K,
            QuantType.IQ4_NL,
            QuantType.IQ4_XS);

    /** Single blocks, numbers of blocks that leave lanes over, and a common width. */
    private static final int[] LENGTHS = {32, 96, 256, 320, 768, 2304, 4096};

    private static final byte UNTOUCHED = 0x5a;

    private CodecCases() {}

    /** One row to be quantized. */
    record Case(QuantType type, Distribution distribution, Weighting weighting, int length, int seed) {
        float[] values() {
            return distribution.row(length, seed);
        }

        float @Nullable [] importance() {
            return weighting.row(length, seed);
        }

        int bytes() {
            return Math.toIntExact(type.bytesFor(length));
        }
    }

    interface Check {
        void accept(Case row);
    }

    /** Visits every distribution with every weighting and length that suits the type; answers how many values. */
    static long forEach(QuantType type, int firstSeed, Check check) {
        long values = 0;
        for (int length : LENGTHS) {
            if (length % type.blockLength() != 0) {
                continue;
            }
            int seeds = length < 1000 ? 2 : 1;
            for (Distribution distribution : Distribution.values()) {
                for (Weighting weighting : Weighting.values()) {
                    for (int seed = firstSeed; seed < firstSeed + seeds; seed++) {
                        check.accept(new Case(type, distribution, weighting, length, seed * 10_000 + length));
                        values += length;
                    }
                }
            }
        }
        return values;
    }

    /** The row's bytes, encoded from the middle of one array to the middle of another. */
    static byte[] encode(BlockCodec codec, Case row) {
        float[] values = new float[row.length() + 5];
        Arrays.fill(values, Float.NaN);
        System.arraycopy(row.values(), 0, values, 3, row.length());
        byte[] out = new byte[row.bytes() + 9];
        Arrays.fill(out, UNTOUCHED);
        codec.quantize(values, 3, row.length(), row.importance(), out, 4);
        for (int i = 0; i < out.length; i++) {
            if (i == 4) {
                i += row.bytes();
            }
            assertThat(out[i]).as("byte beside the blocks of %s", row).isEqualTo(UNTOUCHED);
        }
        return Arrays.copyOfRange(out, 4, 4 + row.bytes());
    }

    static void assertSame(byte[] actual, byte[] expected, Object description) {
        int difference = Arrays.mismatch(actual, expected);
        if (difference >= 0) {
            assertThat(actual)
                    .as("%s, first at byte %d", description, difference)
                    .isEqualTo(expected);
        }
    }
}
