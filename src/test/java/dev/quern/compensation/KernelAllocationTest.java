package dev.quern.compensation;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.quern.quantization.codes.LatticeForm;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A vector that escapes its method becomes an object, and the kernel tens of times slower: it would show here. */
class KernelAllocationTest {
    @ParameterizedTest
    @EnumSource
    void choosingAPointAllocatesNothingOnceCompiled(LatticeForm form) {
        ClosestPoint closest = new ClosestPoint(form);
        float[] metric = new float[64];
        for (int i = 0; i < 64; i++) {
            metric[i] = i % 9 == 0 ? 2 : 0.1f;
        }
        float[] wanted = {1, -20, 3, 14, -5, 36, -7, 8};
        float[] chosen = new float[8];
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 100; round++) {
            long before = allocated();
            for (int repeat = 0; repeat < 300; repeat++) {
                wanted[repeat % 8] = -wanted[repeat % 8];
                closest.choose(metric, wanted, 0.9f, chosen, 0);
            }
            least = Math.min(least, allocated() - before);
        }
        // At least 9,600 steps of eight points; a boxed vector for each would be more than 300 kB.
        assertThat(least).isLessThan(1024);
    }

    private static long allocated() {
        return ((ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }
}
