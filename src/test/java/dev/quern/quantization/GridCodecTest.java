package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.quern.quantization.CodecCases.Case;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Field;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What holds of the grid types and the 4-bit floats without llama.cpp at hand. */
class GridCodecTest {
    private static final int LENGTH = 4096;
    private static final long ALLOWED_BYTES = 1024;
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    static List<QuantType> types() {
        return GridTypes.TYPES;
    }

    static List<QuantType> latticeTypes() {
        return GridTypes.TYPES.stream().filter(GridTypes::isLattice).toList();
    }

    @ParameterizedTest
    @MethodSource("types")
    void nothingIsAllocatedPerBlock(QuantType type) {
        float[] row = Distribution.NORMAL.row(LENGTH, 1);
        float[] importance = Weighting.RANDOM.row(LENGTH, 1);
        float[] decoded = new float[LENGTH];
        byte[] blocks = new byte[Math.toIntExact(type.bytesFor(LENGTH))];
        MemorySegment segment = MemorySegment.ofArray(blocks);
        for (Kernel kernel : Kernel.values()) {
            BlockCodec codec = Codecs.create(type, kernel);
            assertSettles(type + " " + kernel, () -> codec.quantize(row, 0, LENGTH, importance, blocks, 0));
            assertSettles(type + " " + kernel + " decoding", () -> codec.dequantize(segment, 0, LENGTH, decoded, 0));
        }
    }

    /** Repeats until sixteen rows together allocate next to nothing, or patience ends. */
    private static void assertSettles(String what, Runnable oneRow) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        long allocated = Long.MAX_VALUE;
        while (allocated > ALLOWED_BYTES && System.nanoTime() < end) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 16; i++) {
                oneRow.run();
            }
            allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
        }
        assertThat(allocated).as("bytes allocated for sixteen rows by %s", what).isLessThanOrEqualTo(ALLOWED_BYTES);
    }

    @ParameterizedTest
    @MethodSource("types")
    void kernelsGiveTheSameBytes(QuantType type) {
        BlockCodec scalar = Codecs.create(type, Kernel.SCALAR);
        BlockCodec simd = Codecs.create(type, Kernel.SIMD);
        for (Distribution distribution :
                List.of(Distribution.NORMAL, Distribution.HEAVY_TAILED, Distribution.SPARSE_BLOCKS)) {
            Case row = new Case(type, distribution, Weighting.RANDOM, LENGTH, 77);

            CodecCases.assertSame(CodecCases.encode(simd, row), CodecCases.encode(scalar, row), row);
        }
    }

    /** Otherwise the test above would compare the scalar codec with itself. */
    @ParameterizedTest
    @MethodSource("types")
    void searchesAreInLanesWhereTheyAreAskedFor(QuantType type) throws IllegalAccessException {
        boolean searches = GridTypes.isLattice(type) || type == QuantType.MXFP4 || type == QuantType.NVFP4;

        assertThat(isMadeOfLanes(Codecs.create(type, Kernel.SCALAR))).isFalse();
        assertThat(isMadeOfLanes(Codecs.create(type, Kernel.SIMD))).isEqualTo(searches);
    }

    private static boolean isMadeOfLanes(BlockCodec codec) throws IllegalAccessException {
        for (Field field : codec.getClass().getDeclaredFields()) {
            field.setAccessible(true);
            Object part = field.get(codec);
            if (part != null && part.getClass().getPackageName().equals("dev.quern.quantization.simd")) {
                return true;
            }
        }
        return false;
    }

    @ParameterizedTest
    @EnumSource(names = {"IQ2_XXS", "IQ2_XS", "IQ1_S"})
    void importanceIsNeeded(QuantType type) {
        byte[] out = new byte[type.blockBytes()];
        for (Kernel kernel : Kernel.values()) {
            BlockCodec codec = Codecs.create(type, kernel);

            assertThatThrownBy(() -> codec.quantize(new float[256], 0, 256, null, out, 0))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(type + " needs an importance matrix");
        }
    }

    /** ggml asserts that a point and a scale were found, and ends the process. */
    @ParameterizedTest
    @MethodSource("latticeTypes")
    void valuesWhoseSquaresOverflowAreRefused(QuantType type) {
        float[] row = new float[256];
        Arrays.fill(row, 1e30f);
        row[3] = -2e30f;
        row[4] = 1e28f;
        float[] importance = new float[256];
        Arrays.fill(importance, 1);
        byte[] out = new byte[type.blockBytes()];
        for (Kernel kernel : Kernel.values()) {
            BlockCodec codec = Codecs.create(type, kernel);

            assertThatThrownBy(() -> codec.quantize(row, 0, 256, importance, out, 0))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessage("values or importance too large for this type: their squares overflow");
        }
    }
}
