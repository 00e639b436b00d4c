package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.CodecWarmup.Use;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class CodecWarmupTest {
    private static final Use PLAIN = new Use(QuantType.Q8_0, false);

    @Test
    void becomesReadyAndGivesTheSameBytesBeforeAndAfter() throws InterruptedException {
        float[] row = Distribution.NORMAL.row(4096, 3);
        try (CodecWarmup warmup = CodecWarmup.start(List.of(PLAIN))) {
            BlockCodec codec = warmup.codec(QuantType.Q8_0);
            byte[] before = encode(codec, row);
            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!warmup.isReady(PLAIN) && System.nanoTime() < end) {
                Thread.sleep(10);
            }

            assertThat(warmup.isReady(PLAIN)).isTrue();
            assertThat(encode(codec, row)).isEqualTo(before);
            assertThat(before).isEqualTo(encode(Codecs.create(QuantType.Q8_0, Kernel.SCALAR), row));
        }
    }

    @Test
    void aUseNobodyNamedStaysScalarAndWorks() {
        float[] row = Distribution.NORMAL.row(4096, 4);
        try (CodecWarmup warmup = CodecWarmup.start(List.of())) {
            BlockCodec codec = warmup.codec(QuantType.Q4_0);

            assertThat(warmup.isReady(new Use(QuantType.Q4_0, false))).isFalse();
            assertThat(encode(codec, row)).isEqualTo(encode(Codecs.create(QuantType.Q4_0, Kernel.SCALAR), row));
        }
    }

    private static byte[] encode(BlockCodec codec, float[] row) {
        byte[] out = new byte[Math.toIntExact(codec.type().bytesFor(row.length))];
        codec.quantize(row, 0, row.length, null, out, 0);
        return out;
    }
}
