package dev.quern.quantization.codes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.oracle.LlamaCpp;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Rows of random scales, minima and codes: what is written is what every decoder reads. */
class CodedRowTest {
    private static final int BLOCKS = 5;

    /** Beside random ones all rows of one value, at the ends of every range. */
    private enum Filling {
        RANDOM,
        LOWEST,
        HIGHEST
    }

    private static CodedRow row(CodeForm form, Filling filling, Random random) {
        CodedRow row = CodedRow.of(form, BLOCKS * form.block());
        for (int i = 0; i < row.d().length; i++) {
            row.d()[i] = half(random);
            row.dmin()[i] = form.hasMinima() ? half(random) : 0;
        }
        fill(row.scales(), form.lowestScale(), form.highestScale(), filling, random);
        fill(row.minima(), form.hasGroupScales() ? 0 : form.highestMinimum(), form.highestMinimum(), filling, random);
        fill(row.codes(), form.lowestCode(), form.highestCode(), filling, random);
        return row;
    }

    /** Any finite value of F16, of either sign, subnormal ones too. */
    private static float half(Random random) {
        while (true) {
            float value = Float.float16ToFloat((short) random.nextInt());
            if (Float.isFinite(value)) {
                return value;
            }
        }
    }

    private static void fill(byte[] out, int low, int high, Filling filling, Random random) {
        for (int i = 0; i < out.length; i++) {
            out[i] = (byte)
                    switch (filling) {
                        case RANDOM -> low + random.nextInt(high - low + 1);
                        case LOWEST -> low;
                        case HIGHEST -> high;
                    };
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyDecoderReadsItsValues(CodeForm form) {
        LlamaCpp llamaCpp = LlamaCpp.require();
        Random random = new Random(form.name().hashCode());
        for (int round = 0; round < 60; round++) {
            CodedRow row = row(form, round < 4 ? Filling.LOWEST : round < 8 ? Filling.HIGHEST : Filling.RANDOM, random);
            int count = row.codes().length;
            int bytes = Math.toIntExact(form.type().bytesFor(count));
            // Whatever is there already must not show through.
            byte[] out = new byte[bytes + 7];
            random.nextBytes(out);
            byte[] before = out.clone();
            row.write(out, 3);
            assertThat(Arrays.copyOf(out, 3)).isEqualTo(Arrays.copyOf(before, 3));
            assertThat(Arrays.copyOfRange(out, 3 + bytes, out.length))
                    .isEqualTo(Arrays.copyOfRange(before, 3 + bytes, out.length));
            byte[] blocks = Arrays.copyOfRange(out, 3, 3 + bytes);
            float[] expected = new float[count];
            for (int i = 0; i < count; i++) {
                expected[i] = row.value(i);
            }
            assertSame(form, llamaCpp.dequantize(form.type().id(), blocks, count), expected);
            for (Kernel kernel : Kernel.values()) {
                float[] decoded = new float[count];
                Codecs.decoder(form.type(), kernel).decode(MemorySegment.ofArray(out), 3, count, decoded, 0);
                assertSame(form, decoded, expected);
            }
        }
    }

    /** Zeros are equal whatever their sign: of nothing times a negative level decoders make either. */
    private static void assertSame(CodeForm form, float[] found, float[] expected) {
        for (int i = 0; i < expected.length; i++) {
            if (Float.floatToRawIntBits(found[i] + 0f) != Float.floatToRawIntBits(expected[i] + 0f)) {
                assertThat(found[i]).as("%s, value %d", form, i).isEqualTo(expected[i]);
            }
        }
    }

    /** As a decoder of the format's own structure sees it, so that no level, group or range is missing here. */
    @ParameterizedTest
    @EnumSource
    void shapeIsTheTypes(CodeForm form) {
        assertThat(CodeForm.of(form.type())).contains(form);
        assertThat(form.name()).isEqualTo(form.type().name());
        assertThat(form.block()).isEqualTo(form.type().blockLength());
        assertThat(form.block() % form.group()).isZero();
        assertThat(form.groups() * form.group()).isEqualTo(form.block());
        for (int code = form.lowestCode(); code < form.highestCode(); code++) {
            assertThat(form.level(code)).isLessThan(form.level(code + 1));
        }
        assertThat(form.hasMinima()).isEqualTo(form.highestMinimum() > 0);
        if (!form.hasMinima() && !form.isUneven()) {
            assertThat(form.level(form.centre())).isZero();
        }
    }

    @Test
    void typesWithoutCodesOfTheirOwn() {
        for (QuantType type : QuantType.values()) {
            boolean known = Arrays.stream(CodeForm.values()).anyMatch(form -> form.type() == type);
            assertThat(CodeForm.of(type).isPresent()).isEqualTo(known);
            assertThat(Codecs.searching(type).isPresent()).isEqualTo(known);
        }
        assertThat(CodeForm.of(QuantType.IQ2_XXS)).isEmpty();
        assertThat(CodeForm.of(QuantType.F16)).isEmpty();
        assertThat(CodeForm.of(QuantType.TQ1_0)).isEmpty();
    }

    @Test
    void lengthsThatAreNoWholeBlocks() {
        assertThatThrownBy(() -> CodedRow.of(CodeForm.Q4_K, 320))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("320 values are no whole Q4_K blocks");
        assertThatThrownBy(() -> CodedRow.of(CodeForm.Q4_0, 33))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("33 values are no whole Q4_0 blocks");
    }
}
