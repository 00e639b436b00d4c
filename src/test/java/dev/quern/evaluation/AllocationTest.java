package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.quern.architecture.Model;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A vector that escapes a kernel becomes an object; a whole forward pass makes billions of vectors. */
class AllocationTest {
    @TempDir
    Path directory;

    @Test
    void aWarmForwardPassAllocatesItsResultsAndLittleMore() {
        try (Model model = RandomModel.sized(1, 256, 2, 8, 4, 32, 512, 512).open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, 128, 1)) {
            int[] tokens = ForwardTest.tokens(forward, 8 * 128, 2);
            int[] targets = ForwardTest.tokens(forward, 8 * 63, 3);
            long least = Long.MAX_VALUE;
            for (int round = 0; round < 40; round++) {
                long before = allocated();
                forward.improbabilities(tokens, 64, 127, targets);
                least = Math.min(least, allocated() - before);
            }
            // 504 results and eight panels' maxima and sums are 60 kB; the tasks and their views are small objects.
            assertThat(least).isLessThan(1 << 20);
        }
    }

    private static long allocated() {
        return ((ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }
}
