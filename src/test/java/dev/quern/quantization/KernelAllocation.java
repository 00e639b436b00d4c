package dev.quern.quantization;

import com.sun.management.ThreadMXBean;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.CodedRow;
import dev.quern.quantization.codes.RowFit;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** What each kernel of the types named allocates for a million values once it is compiled: a line each, on stdout. */
final class KernelAllocation {
    private static final int LENGTH = 4096;
    private static final int ROWS = 256;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private KernelAllocation() {}

    /** {@code ALLOWED codecs|searches TYPE...} */
    public static void main(String[] args) {
        long allowed = Long.parseLong(args[0]);
        boolean searches = args[1].equals("searches");
        for (int i = 2; i < args.length; i++) {
            QuantType type = QuantType.valueOf(args[i]);
            if (searches) {
                CodeForm.of(type).ifPresent(form -> report(type + " search", searching(form), allowed));
                continue;
            }
            for (Kernel kernel : Kernel.values()) {
                BlockCodec codec = Codecs.create(type, kernel);
                String what = type + " " + kernel;
                if (!GridTypes.IMPORTANCE_NEEDED.contains(type)) {
                    report(what, encoding(codec, null), allowed);
                }
                report(what + " with importance", encoding(codec, Weighting.RANDOM.row(LENGTH, 1)), allowed);
                report(what + " decoding", decoding(codec), allowed);
            }
        }
    }

    private static Runnable encoding(BlockCodec codec, float @Nullable [] importance) {
        float[] row = Distribution.NORMAL.row(LENGTH, 1);
        byte[] out = new byte[Math.toIntExact(codec.type().bytesFor(LENGTH))];
        return () -> {
            for (int i = 0; i < ROWS; i++) {
                codec.quantize(row, 0, LENGTH, importance, out, 0);
            }
        };
    }

    private static Runnable searching(CodeForm form) {
        float[] row = Distribution.NORMAL.row(LENGTH, 1);
        float[] weights = new float[LENGTH];
        Arrays.fill(weights, 1);
        RowFit fit = new RowFit(form);
        CodedRow out = CodedRow.of(form, LENGTH);
        return () -> {
            for (int i = 0; i < ROWS; i++) {
                fit.fit(row, 0, weights, out);
            }
        };
    }

    private static Runnable decoding(BlockCodec codec) {
        float[] out = new float[LENGTH];
        MemorySegment blocks = Arena.ofAuto().allocate(codec.type().bytesFor(LENGTH));
        return () -> {
            for (int i = 0; i < ROWS; i++) {
                codec.dequantize(blocks, 0, LENGTH, out, 0);
            }
        };
    }

    /** Runs about a million values at a time until that allocates next to nothing, or patience ends. */
    private static void report(String what, Runnable millionValues, long allowed) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        long allocated = Long.MAX_VALUE;
        while (allocated > allowed && System.nanoTime() < end) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            millionValues.run();
            allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
        }
        System.out.println(what + ": " + allocated);
    }
}
