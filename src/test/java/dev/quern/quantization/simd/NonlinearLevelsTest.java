package dev.quern.quantization.simd;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.scalar.NonlinearCodes;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The lanes against {@link NonlinearCodes}, on both sides of every border. */
class NonlinearLevelsTest {
    @Test
    void areTheNearestOfAll() {
        float[] x = new float[1600];
        for (int i = 0; i < 512; i++) {
            float value = i * 0.5f - 128;
            x[i] = value;
            x[512 + i] = Math.nextDown(value);
            x[1024 + i] = Math.nextUp(value);
        }
        float[] beyond = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.MAX_VALUE, -1e30f, -0f};
        System.arraycopy(beyond, 0, x, 1536, beyond.length);
        float[] inverses = new float[16];
        Arrays.fill(inverses, 8, 16, 1);
        int[] codes = new int[x.length - 8];
        byte[] packed = new byte[x.length];
        NonlinearLevels.nearest(x, 8, x.length, inverses, 8, codes);
        NonlinearLevels.pack(codes, codes.length, packed, 8);
        for (int i = 8; i < x.length; i++) {
            int nearest = NonlinearCodes.nearest(x[i]);
            assertThat(codes[i - 8]).as("%s", x[i]).isEqualTo(nearest);
            assertThat(packed[i]).as("%s", x[i]).isEqualTo((byte) nearest);
        }
    }
}
