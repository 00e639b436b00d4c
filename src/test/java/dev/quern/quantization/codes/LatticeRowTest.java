package dev.quern.quantization.codes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Rows of any scales, points and signs, as decoders read them; those are held against the libraries elsewhere. */
class LatticeRowTest {
    private static LatticeRow random(LatticeForm form, int length, Random random) {
        LatticeRow row = LatticeRow.of(form, length);
        for (int i = 0; i < row.d().length; i++) {
            row.d()[i] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
        }
        random.nextBytes(row.signs());
        for (int i = 0; i < row.steps().length; i++) {
            row.steps()[i] = (byte) random.nextInt(16);
        }
        for (int i = 0; i < row.points().length; i++) {
            row.points()[i] = (char) random.nextInt(form.grid().size());
        }
        for (int i = 0; i < row.signs().length && form.hasEvenSigns(); i++) {
            int seven = row.signs()[i] & 127;
            row.signs()[i] = (byte) (seven | (Integer.bitCount(seven) & 1) << 7);
        }
        return row;
    }

    @ParameterizedTest
    @EnumSource
    void decodersReadWhatWasWritten(LatticeForm form) {
        Random random = new Random(form.group());
        for (int length : new int[] {256, 768}) {
            for (int trial = 0; trial < 50; trial++) {
                LatticeRow row = random(form, length, random);
                int bytes = Math.toIntExact(form.type().bytesFor(length));
                byte[] out = new byte[bytes + 7];
                Arrays.fill(out, (byte) 0x5a);
                row.write(out, 3);
                assertThat(Arrays.copyOf(out, 3)).containsOnly(0x5a);
                assertThat(Arrays.copyOfRange(out, 3 + bytes, bytes + 7)).containsOnly(0x5a);
                float[] decoded = new float[length];
                Codecs.decoder(form.type()).decode(MemorySegment.ofArray(out), 3, length, decoded, 0);
                for (int i = 0; i < length; i++) {
                    assertThat(decoded[i]).as("%s value %d", form, i).isEqualTo(row.value(i));
                }
                LatticeRow again = LatticeRow.of(form, length);
                again.readScales(out, 3);
                assertThat(again.d()).containsExactly(row.d());
                assertThat(again.steps()).containsExactly(row.steps());
            }
        }
    }

    /** What the reference's quantizer has written, too. */
    @ParameterizedTest
    @EnumSource
    void scalesOfTheReferenceAreRead(LatticeForm form) {
        Random random = new Random(9);
        float[] values = new float[512];
        float[] importance = new float[512];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian() * (i < 256 ? 1 : 1e-3f);
            importance[i] = 0.5f + random.nextFloat();
        }
        byte[] blocks = new byte[Math.toIntExact(form.type().bytesFor(512))];
        Codecs.create(form.type(), Kernel.SCALAR).quantize(values, 0, 512, importance, blocks, 0);
        float[] decoded = new float[512];
        Codecs.decoder(form.type()).decode(MemorySegment.ofArray(blocks), 0, 512, decoded, 0);
        LatticeRow row = LatticeRow.of(form, 512);
        row.readScales(blocks, 0);
        for (int i = 0; i < 512; i++) {
            float level = Math.abs(decoded[i]) / (row.d()[i / 256] * form.scale(row.steps()[i / form.group()]));
            assertThat(level).isEqualTo(Math.round(level));
        }
    }

    @ParameterizedTest
    @EnumSource
    void scalesAreOddMultiples(LatticeForm form) {
        for (int step = 0; step <= LatticeForm.HIGHEST_STEP; step++) {
            float scale = form.scale(step);
            assertThat(form.step(scale)).isEqualTo(step);
            float unit = form.scale(0);
            assertThat(form.nearestScale(scale + 0.9f * unit)).isEqualTo(scale);
            assertThat(form.nearestScale(scale - 0.9f * unit)).isEqualTo(scale);
        }
        assertThat(form.nearestScale(-5)).isEqualTo(form.scale(0));
        assertThat(form.nearestScale(1e9f)).isEqualTo(form.scale(15));
        assertThat(ScaledForm.of(form.type())).contains(form);
    }

    @Test
    void onlyWholeBlocks() {
        assertThatThrownBy(() -> LatticeRow.of(LatticeForm.IQ2_S, 300))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("300 values are no whole IQ2_S blocks");
    }
}
