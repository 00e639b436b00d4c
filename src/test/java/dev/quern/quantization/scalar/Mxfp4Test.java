package dev.quern.quantization.scalar;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.oracle.LlamaCpp;
import dev.quern.quantization.QuantType;
import org.junit.jupiter.api.Test;

/** The exponent of a block depends on how log2f rounds just below a power of two. */
class Mxfp4Test {
    private static final int BLOCK = 32;
    private static final int NEAR = 40;

    @Test
    void exponentsNearPowersOfTwoAreThoseOfTheReference() {
        LlamaCpp llamaCpp = LlamaCpp.require();
        int powers = 255;
        float[] values = new float[powers * NEAR * BLOCK];
        for (int power = 0; power < powers; power++) {
            for (int below = 0; below < NEAR; below++) {
                int bits = Math.max(1, (power + 1 << 23) - below + NEAR / 4);
                values[(power * NEAR + below) * BLOCK] = Float.intBitsToFloat(Math.min(bits, 0x7f7fffff));
            }
        }

        byte[] expected = llamaCpp.quantize(QuantType.MXFP4.id(), values, 1, values.length, null);
        byte[] actual = new byte[expected.length];
        new Mxfp4(new E2m1()).quantize(values, 0, values.length, null, actual, 0);

        assertThat(actual).isEqualTo(expected);
    }

    @Test
    void exponentsOfSubnormalValuesAreThoseOfTheReference() {
        LlamaCpp llamaCpp = LlamaCpp.require();
        float[] values = new float[23 * 5 * BLOCK];
        for (int bit = 0; bit < 23; bit++) {
            for (int offset = -2; offset <= 2; offset++) {
                int bits = Math.max(1, (1 << bit) + offset);
                values[(bit * 5 + offset + 2) * BLOCK + 7] = -Float.intBitsToFloat(bits);
            }
        }

        byte[] expected = llamaCpp.quantize(QuantType.MXFP4.id(), values, 1, values.length, null);
        byte[] actual = new byte[expected.length];
        new Mxfp4(new E2m1()).quantize(values, 0, values.length, null, actual, 0);

        assertThat(actual).isEqualTo(expected);
    }
}
