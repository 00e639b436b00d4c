package dev.quern.quantization;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Gives codecs that start scalar and go on with SIMD as soon as that is compiled. A vector kernel that is still
 * interpreted is some 200 times slower than a compiled one and puts every vector on the heap, for a second or two: longer
 * than a small model takes altogether. The bytes are the same either way, so nobody but the clock notices.
 *
 * <p>One background thread runs the wanted codecs on made-up rows, in the order given, until they no longer allocate,
 * which is the sign that the compiler is done with them.
 */
public final class CodecWarmup implements AutoCloseable {
    private static final int ROW = 2048;
    private static final int SETTLED_ROWS = 16;
    private static final long SETTLED_BYTES = 1024;

    /** Where nothing compiles the kernels (-Xint, say) the scalar codecs simply go on. */
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final Map<Use, Readiness> readiness = new LinkedHashMap<>();
    private final Thread thread;
    private volatile boolean closed;

    /** One way to use a codec; with and without importance different kernels run. */
    public record Use(QuantType type, boolean withImportance) {}

    private static final class Readiness {
        volatile boolean ready;
    }

    private CodecWarmup(Collection<Use> uses) {
        uses.forEach(use -> readiness.put(use, new Readiness()));
        List<Map.Entry<Use, Readiness>> inOrder = new ArrayList<>(readiness.entrySet());
        thread = Thread.ofPlatform().daemon().name("codec-warm-up").unstarted(() -> {
            for (var use : inOrder) {
                use.getValue().ready = settles(use.getKey());
            }
        });
    }

    /** Starts to warm up what will be used; a use not named here stays scalar. */
    public static CodecWarmup start(Collection<Use> uses) {
        CodecWarmup warmup = new CodecWarmup(uses);
        warmup.thread.start();
        return warmup;
    }

    /** A new codec for one thread; it may outlive the warm-up, and then stays with what it has reached. */
    public BlockCodec codec(QuantType type) {
        return new Switching(
                Codecs.create(type, Kernel.SCALAR),
                Codecs.create(type, Kernel.SIMD),
                readiness.getOrDefault(new Use(type, false), new Readiness()),
                readiness.getOrDefault(new Use(type, true), new Readiness()));
    }

    public boolean isReady(Use use) {
        Readiness found = readiness.get(use);
        return found != null && found.ready;
    }

    /** Stops warming up; does not wait, for the thread ends within a row. */
    @Override
    public void close() {
        closed = true;
    }

    private boolean settles(Use use) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        BlockCodec codec = Codecs.create(use.type, Kernel.SIMD);
        Random random = new Random(1);
        float[] row = new float[ROW];
        float[] importance = new float[ROW];
        for (int i = 0; i < ROW; i++) {
            // A few groups of zeros, as pruned or padded tensors have them.
            row[i] = i / 32 % 13 == 5 ? 0 : (float) random.nextGaussian();
            importance[i] = random.nextFloat();
        }
        byte[] out = new byte[Math.toIntExact(use.type.bytesFor(ROW))];
        long end = System.nanoTime() + PATIENCE.toNanos();
        int settled = 0;
        while (settled < SETTLED_ROWS && !closed && System.nanoTime() < end) {
            long before = threads.getCurrentThreadAllocatedBytes();
            codec.quantize(row, 0, ROW, use.withImportance ? importance : null, out, 0);
            settled = threads.getCurrentThreadAllocatedBytes() - before < SETTLED_BYTES ? settled + 1 : 0;
        }
        return settled == SETTLED_ROWS;
    }

    private record Switching(BlockCodec scalar, BlockCodec simd, Readiness plain, Readiness withImportance)
            implements BlockCodec {
        @Override
        public QuantType type() {
            return scalar.type();
        }

        @Override
        public void quantize(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
            boolean ready = importance == null ? plain.ready : withImportance.ready;
            (ready ? simd : scalar).quantize(row, from, length, importance, out, to);
        }

        @Override
        public void dequantize(MemorySegment blocks, long at, int count, float[] out, int to) {
            scalar.dequantize(blocks, at, count, out, to);
        }
    }
}
