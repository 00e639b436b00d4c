package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.oracle.LlamaCpp;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The grid types and the 4-bit floats against llama.cpp's own functions, in both directions. */
class GridCodecReferenceTest {
    static List<QuantType> types() {
        return GridTypes.TYPES;
    }

    @ParameterizedTest
    @MethodSource("types")
    void bytesAreThoseOfTheReference(QuantType type) {
        LlamaCpp llamaCpp = LlamaCpp.require();
        BlockCodec scalar = Codecs.create(type, Kernel.SCALAR);
        BlockCodec simd = Codecs.create(type, Kernel.SIMD);

        long values = GridTypes.forEach(type, 0, row -> {
            byte[] expected = llamaCpp.quantize(type.id(), row.values(), 1, row.length(), row.importance());
            CodecCases.assertSame(CodecCases.encode(scalar, row), expected, "scalar " + row);
            CodecCases.assertSame(CodecCases.encode(simd, row), expected, "simd " + row);
        });

        assertThat(values).isGreaterThan(500_000);
    }

    @ParameterizedTest
    @MethodSource("types")
    void importanceIsNeededWhereTheReferenceNeedsIt(QuantType type) {
        LlamaCpp llamaCpp = LlamaCpp.require();

        assertThat(GridTypes.IMPORTANCE_NEEDED.contains(type)).isEqualTo(llamaCpp.requiresImportance(type.id()));
    }

    @ParameterizedTest
    @MethodSource("types")
    void valuesAreThoseOfTheReference(QuantType type) {
        LlamaCpp llamaCpp = LlamaCpp.require();
        int count = 1024 * 256;
        byte[] blocks = new byte[Math.toIntExact(type.bytesFor(count))];
        new Random(type.id()).nextBytes(blocks);
        float[] expected = llamaCpp.dequantize(type.id(), blocks, count);
        byte[] shifted = new byte[blocks.length + 3];
        System.arraycopy(blocks, 0, shifted, 3, blocks.length);
        RowDecoder decoder = Codecs.decoder(type);
        float[] out = new float[count + 2];

        decoder.decode(MemorySegment.ofArray(shifted), 3, count, out, 1);

        for (int i = 0; i < count; i++) {
            // floatToIntBits makes all NaN one: their sign and payload are the processor's choice.
            if (Float.floatToIntBits(out[1 + i]) != Float.floatToIntBits(expected[i])) {
                assertThat(out[1 + i]).as("%s, value %d", type, i).isEqualTo(expected[i]);
            }
        }
        assertThat(out[0]).isZero();
        assertThat(out[count + 1]).isZero();
    }
}
