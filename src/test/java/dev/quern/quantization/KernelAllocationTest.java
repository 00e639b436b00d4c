package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Kernels allocate nothing once they are compiled. Otherwise a vector leaves its register for the heap, which costs
 * more than everything else a kernel does.
 */
class KernelAllocationTest {
    private static final int LENGTH = 4096;
    private static final int ROWS = 256;
    private static final long ALLOWED_BYTES = 1024;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    static List<QuantType> types() {
        return CodecCases.TYPES;
    }

    @ParameterizedTest
    @MethodSource("types")
    void nothingIsAllocatedPerBlock(QuantType type) {
        float[] row = Distribution.NORMAL.row(LENGTH, 1);
        for (Kernel kernel : Kernel.values()) {
            BlockCodec codec = Codecs.create(type, kernel);
            assertAllocatesNothing(type + " " + kernel, codec, row, null);
            assertAllocatesNothing(type + " " + kernel, codec, row, Weighting.RANDOM.row(LENGTH, 1));
            assertDecodesWithoutAllocating(type + " " + kernel, codec);
        }
    }

    private static void assertAllocatesNothing(
            String what, BlockCodec codec, float[] row, float @Nullable [] importance) {
        byte[] out = new byte[Math.toIntExact(codec.type().bytesFor(LENGTH))];
        assertSettles(what + (importance == null ? "" : " with importance"), () -> {
            for (int i = 0; i < ROWS; i++) {
                codec.quantize(row, 0, LENGTH, importance, out, 0);
            }
        });
    }

    private static void assertDecodesWithoutAllocating(String what, BlockCodec codec) {
        float[] out = new float[LENGTH];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment blocks = arena.allocate(codec.type().bytesFor(LENGTH));
            assertSettles(what + " decoding", () -> {
                for (int i = 0; i < ROWS; i++) {
                    codec.dequantize(blocks, 0, LENGTH, out, 0);
                }
            });
        }
    }

    /** Runs about a million values at a time until that allocates next to nothing, or patience ends. */
    private static void assertSettles(String what, Runnable millionValues) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        long allocated = Long.MAX_VALUE;
        while (allocated > ALLOWED_BYTES && System.nanoTime() < end) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            millionValues.run();
            allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
        }
        assertThat(allocated)
                .as("bytes allocated for a million values by %s", what)
                .isLessThan(ALLOWED_BYTES);
    }
}
