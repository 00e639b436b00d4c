package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The two kernels against each other, which of them one gets, and what both refuse. */
class KernelTest {
    static List<QuantType> types() {
        return CodecCases.TYPES;
    }

    @ParameterizedTest
    @MethodSource("types")
    void kernelsGiveTheSameBytes(QuantType type) {
        BlockCodec scalar = Codecs.create(type, Kernel.SCALAR);
        BlockCodec simd = Codecs.create(type, Kernel.SIMD);

        CodecCases.forEach(
                type,
                50,
                row -> CodecCases.assertSame(CodecCases.encode(simd, row), CodecCases.encode(scalar, row), row));
    }

    /** A comparison of the scalar codec with itself would pass every other test. */
    @ParameterizedTest
    @MethodSource("types")
    void theKernelIsTheOneAskedFor(QuantType type) {
        BlockCodec scalar = Codecs.create(type, Kernel.SCALAR);
        BlockCodec simd = Codecs.create(type, Kernel.SIMD);

        assertThat(scalar.getClass().getPackageName()).isEqualTo("dev.quern.quantization.scalar");
        if (type == QuantType.F32 || type == QuantType.F16) {
            // A copy, and a loop that the compiler itself makes vectors of.
            assertThat(simd.getClass()).isEqualTo(scalar.getClass());
        } else {
            assertThat(simd.getClass().getPackageName()).isEqualTo("dev.quern.quantization.simd");
        }
        assertThat(simd.type()).isEqualTo(type);
        assertThat(scalar.type()).isEqualTo(type);
    }

    @Test
    void typesThatNothingIsQuantizedToAreRefused() {
        assertThatThrownBy(() -> Codecs.create(QuantType.I8, Kernel.SCALAR))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no codec for I8");
        assertThatThrownBy(() -> Codecs.create(QuantType.Q8_1, Kernel.SIMD))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no codec for Q8_1");
        assertThatThrownBy(() -> Codecs.decoder(QuantType.I64))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no decoder for I64");
    }

    @ParameterizedTest
    @MethodSource("types")
    void rangesThatDoNotFitAreRefused(QuantType type) {
        int length = type.blockLength() * 2;
        int bytes = Math.toIntExact(type.bytesFor(length));
        for (Kernel kernel : Kernel.values()) {
            BlockCodec codec = Codecs.create(type, kernel);
            float[] row = new float[length];
            byte[] out = new byte[bytes];
            if (type.blockLength() > 1) {
                assertThatThrownBy(() -> codec.quantize(row, 0, length - 1, null, out, 0))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("are not whole " + type + " blocks");
            }
            assertOutOfBounds(() -> codec.quantize(row, 1, length, null, out, 0));
            assertOutOfBounds(() -> codec.quantize(row, -1, length, null, out, 0));
            assertOutOfBounds(() -> codec.quantize(row, 0, length, null, out, 1));
            assertOutOfBounds(() -> codec.quantize(row, 0, length, new float[length - 1], out, 0));
            MemorySegment blocks = MemorySegment.ofArray(out);
            assertOutOfBounds(() -> codec.dequantize(blocks, 1, length, row, 0));
            assertOutOfBounds(() -> codec.dequantize(blocks, 0, length, row, 1));
        }
    }

    private static void assertOutOfBounds(Runnable action) {
        assertThatThrownBy(action::run).isInstanceOf(IndexOutOfBoundsException.class);
    }
}
