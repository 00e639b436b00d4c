package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.CodecWarmup.Use;
import java.util.List;
import org.junit.jupiter.api.Test;

class CodecWarmupTest {
    /** In a JVM of its own: what measures coverage here puts its probes into kernels, which then may never settle. */
    @Test
    void becomesReadyAndGivesTheSameBytesBeforeAndAfter() throws Exception {
        assertThat(OwnJvm.run(WarmupRun.class, List.of(), List.of()))
                .containsExactly("ready: true", "same as before: true", "same as scalar: true");
    }

    @Test
    void aUseNobodyNamedStaysScalarAndWorks() {
        float[] row = Distribution.NORMAL.row(4096, 4);
        try (CodecWarmup warmup = CodecWarmup.start(List.of())) {
            BlockCodec codec = warmup.codec(QuantType.Q4_0);

            assertThat(warmup.isReady(new Use(QuantType.Q4_0, false))).isFalse();
            assertThat(WarmupRun.encode(codec, row))
                    .isEqualTo(WarmupRun.encode(Codecs.create(QuantType.Q4_0, Kernel.SCALAR), row));
        }
    }
}
