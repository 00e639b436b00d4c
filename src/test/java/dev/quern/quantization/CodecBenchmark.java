package dev.quern.quantization;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Values per microsecond (millions a second) on one thread, beside llama.cpp's own function in the same process. Start
 * it with scripts/bench codecs; {@code -p type=Q4_K} picks types, {@code decode} or {@code encode} the direction.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(CodecBenchmark.VALUES)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class CodecBenchmark {
    private static final int ROW = 4096;
    private static final int ROWS = 16;
    static final int VALUES = ROW * ROWS;

    @Param({
        "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
        "IQ4_XS"
    })
    QuantType type = QuantType.Q8_0;

    @Param({"false", "true"})
    boolean importance;

    private final Arena arena = Arena.ofShared();
    private final float[] rows = Distribution.NORMAL.row(VALUES, 1);
    private final float[] values = new float[VALUES];
    private float @Nullable [] weights;
    private byte[] out = {};
    private BlockCodec scalar = Codecs.create(QuantType.F32, Kernel.SCALAR);
    private BlockCodec simd = scalar;

    private MemorySegment source = MemorySegment.NULL;
    private MemorySegment blocks = MemorySegment.NULL;
    private MemorySegment decoded = MemorySegment.NULL;
    private MemorySegment nativeWeights = MemorySegment.NULL;
    private @Nullable MethodHandle quantizeChunk;
    private @Nullable MethodHandle toFloat;

    @Setup
    public void setUp() {
        scalar = Codecs.create(type, Kernel.SCALAR);
        simd = Codecs.create(type, Kernel.SIMD);
        out = new byte[Math.toIntExact(type.bytesFor(VALUES))];
        source = arena.allocate(4L * VALUES, 64).copyFrom(MemorySegment.ofArray(rows));
        decoded = arena.allocate(4L * VALUES, 64);
        if (importance) {
            weights = Weighting.RANDOM.row(ROW, 1);
            nativeWeights = arena.allocateFrom(ValueLayout.JAVA_FLOAT, weights);
        }
        for (int row = 0; row < ROWS; row++) {
            scalar.quantize(rows, row * ROW, ROW, weights, out, row * (out.length / ROWS));
        }
        blocks = arena.allocate(out.length, 64).copyFrom(MemorySegment.ofArray(out));
        Path folder = Path.of(System.getProperty("quern.oracle", ""));
        SymbolLookup ggml = SymbolLookup.libraryLookup(folder.resolve("libggml-base.so"), arena);
        quantizeChunk = Linker.nativeLinker()
                .downcallHandle(
                        ggml.findOrThrow("ggml_quantize_chunk"),
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_INT,
                                ValueLayout.ADDRESS,
                                ValueLayout.ADDRESS,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.ADDRESS));
        toFloat = Linker.nativeLinker()
                .downcallHandle(
                        ggml.findOrThrow(nameOfDecoder(type)),
                        FunctionDescriptor.ofVoid(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
    }

    private static String nameOfDecoder(QuantType type) {
        return switch (type) {
            case F16 -> "ggml_fp16_to_fp32_row";
            case BF16 -> "ggml_bf16_to_fp32_row";
            case IQ4_NL, IQ4_XS -> "dequantize_row_" + type.name().toLowerCase(Locale.ROOT);
            default -> "dequantize_row_" + type.name().replace('Q', 'q');
        };
    }

    @TearDown
    public void tearDown() {
        arena.close();
    }

    @Benchmark
    public byte[] encodeScalar() {
        return encode(scalar);
    }

    @Benchmark
    public byte[] encodeSimd() {
        return encode(simd);
    }

    private byte[] encode(BlockCodec codec) {
        for (int row = 0; row < ROWS; row++) {
            codec.quantize(rows, row * ROW, ROW, weights, out, row * (out.length / ROWS));
        }
        return out;
    }

    @Benchmark
    public long encodeLlamaCpp() throws Throwable {
        if (quantizeChunk == null) {
            throw new IllegalStateException("not set up");
        }
        return (long) quantizeChunk.invokeExact(type.id(), source, blocks, 0L, (long) ROWS, (long) ROW, nativeWeights);
    }

    @Benchmark
    public float[] decodeScalar() {
        scalar.dequantize(blocks, 0, VALUES, values, 0);
        return values;
    }

    @Benchmark
    public float[] decodeSimd() {
        simd.dequantize(blocks, 0, VALUES, values, 0);
        return values;
    }

    @Benchmark
    public MemorySegment decodeLlamaCpp() throws Throwable {
        if (toFloat == null) {
            throw new IllegalStateException("not set up");
        }
        toFloat.invokeExact(blocks, decoded, (long) VALUES);
        return decoded;
    }
}
