package dev.quern.quantization;

import dev.quern.quantization.CodecWarmup.Use;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/** Waits until a codec is ready, and prints whether it is and whether the bytes stayed the same. */
final class WarmupRun {
    private static final Use USE = new Use(QuantType.Q8_0, false);

    private WarmupRun() {}

    public static void main(String[] args) throws InterruptedException {
        float[] row = Distribution.NORMAL.row(4096, 3);
        try (CodecWarmup warmup = CodecWarmup.start(List.of(USE))) {
            BlockCodec codec = warmup.codec(USE.type());
            byte[] before = encode(codec, row);
            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!warmup.isReady(USE) && System.nanoTime() < end) {
                Thread.sleep(10);
            }
            System.out.println("ready: " + warmup.isReady(USE));
            System.out.println("same as before: " + Arrays.equals(encode(codec, row), before));
            System.out.println("same as scalar: "
                    + Arrays.equals(before, encode(Codecs.create(USE.type(), Kernel.SCALAR), row)));
        }
    }

    static byte[] encode(BlockCodec codec, float[] row) {
        byte[] out = new byte[Math.toIntExact(codec.type().bytesFor(row.length))];
        codec.quantize(row, 0, row.length, null, out, 0);
        return out;
    }
}
