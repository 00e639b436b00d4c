package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.oracle.LlamaCpp;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Codecs against llama.cpp's own functions: the same bytes, and from the same bytes the same values. */
class CodecReferenceTest {
    static List<QuantType> types() {
        return CodecCases.TYPES;
    }

    @ParameterizedTest
    @MethodSource("types")
    void bytesAreThoseOfTheReference(QuantType type) {
        LlamaCpp llamaCpp = LlamaCpp.require();
        BlockCodec scalar = Codecs.create(type, Kernel.SCALAR);
        BlockCodec simd = Codecs.create(type, Kernel.SIMD);

        long values = CodecCases.forEach(type, 0, row -> {
            byte[] expected = llamaCpp.quantize(type.id(), row.values(), 1, row.length(), row.importance());
            CodecCases.assertSame(CodecCases.encode(scalar, row), expected, "scalar " + row);
            CodecCases.assertSame(CodecCases.encode(simd, row), expected, "simd " + row);
        });

        assertThat(values).isGreaterThan(1_000_000);
    }

    @ParameterizedTest
    @MethodSource("types")
    void valuesAreThoseOfTheReference(QuantType type) {
        LlamaCpp llamaCpp = LlamaCpp.require();
        int count = 24 * 1024;
        byte[] blocks = new byte[Math.toIntExact(type.bytesFor(count))];
        for (int seed = 0; seed < 8; seed++) {
            new Random(seed).nextBytes(blocks);
            float[] expected = llamaCpp.dequantize(type.id(), blocks, count);
            assertDecodes(type, blocks, expected);
        }
    }

    /** Piece by piece, from the heap and from native memory, at an offset that is aligned to nothing. */
    private static void assertDecodes(QuantType type, byte[] blocks, float[] expected) {
        byte[] shifted = new byte[blocks.length + 3];
        System.arraycopy(blocks, 0, shifted, 3, blocks.length);
        MemorySegment heap = MemorySegment.ofArray(shifted);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(shifted.length).copyFrom(heap);
            for (Kernel kernel : Kernel.values()) {
                RowDecoder decoder = Codecs.decoder(type, kernel);
                assertValues(
                        type,
                        expected,
                        kernel + " decoder",
                        (at, count, out) -> decoder.decode(memory, at, count, out, 1));
                BlockCodec codec = Codecs.create(type, kernel);
                assertValues(
                        type,
                        expected,
                        kernel + " heap",
                        (at, count, out) -> codec.dequantize(heap, at, count, out, 1));
                assertValues(
                        type,
                        expected,
                        kernel + " native",
                        (at, count, out) -> codec.dequantize(memory, at, count, out, 1));
            }
        }
    }

    private interface Decode {
        void into(long at, int count, float[] out);
    }

    private static void assertValues(QuantType type, float[] expected, String how, Decode decode) {
        Random random = new Random(7);
        int blocks = expected.length / type.blockLength();
        for (int block = 0; block < blocks; ) {
            int some = Math.min(blocks - block, 1 + random.nextInt(9 * 256 / type.blockLength()));
            int count = some * type.blockLength();
            float[] out = new float[count + 2];
            decode.into(3 + (long) block * type.blockBytes(), count, out);
            for (int i = 0; i < count; i++) {
                float value = expected[block * type.blockLength() + i];
                // floatToIntBits makes all NaN one: their payload is the processor's choice.
                if (Float.floatToIntBits(out[1 + i]) != Float.floatToIntBits(value)) {
                    assertThat(out[1 + i])
                            .as("%s %s, value %d of block %d", type, how, i, block)
                            .isEqualTo(value);
                }
            }
            assertThat(out[0]).isZero();
            assertThat(out[count + 1]).isZero();
            block += some;
        }
    }
}
