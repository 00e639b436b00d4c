package dev.quern.evaluation.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** A vector that escapes its method becomes an object, and the kernel tens of times slower: it would show here. */
class KernelAllocationTest {
    @Test
    void theTileAllocatesNothingOnceCompiled() {
        int depth = 256;
        float[] a = new float[64 * depth];
        float[] b = new float[depth * Tile.COLUMNS];
        float[] c = new float[64 * Tile.COLUMNS];
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 100; round++) {
            long before = allocated();
            for (int repeat = 0; repeat < 50; repeat++) {
                for (int row = 0; row < 64; row += Tile.ROWS) {
                    Tile.multiplyAdd(a, row * depth, b, 0, depth, c, row * Tile.COLUMNS, Tile.COLUMNS);
                }
            }
            least = Math.min(least, allocated() - before);
        }
        // 13 million multiply-adds; a boxed vector for each step would be more than 100 MB.
        assertThat(least).isLessThan(1024);
    }

    private static long allocated() {
        return ((ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }
}
