package dev.quern.oracle;

import static dev.quern.oracle.NativeFunctions.call;
import static dev.quern.oracle.NativeFunctions.run;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;

/**
 * llama.cpp v0.5.0 itself, through its shared libraries: the reference that Quern's bytes and numbers equal.
 *
 * <p>The libraries end the process on a failed assertion, so every method checks what they would assert.
 */
public final class LlamaCpp {
    /** Two threads whatever the machine, so that sums that depend on the split are the same everywhere. */
    static final int THREADS = 2;

    private static final int Q8_1 = 9;
    private static final int Q8_K = 15;

    private final Ggml ggml;
    private final Gguf gguf;
    private final Llama llama;
    private final NativeLog log = new NativeLog();
    private final int typeCount;

    private LlamaCpp(Path folder) {
        // The libraries stay for as long as the JVM does: their threads outlive any call.
        Arena forever = Arena.global();
        SymbolLookup libraries = SymbolLookup.libraryLookup(folder.resolve("libggml-base.so"), forever)
                .or(SymbolLookup.libraryLookup(only(folder, "libggml.v*.so"), forever))
                .or(SymbolLookup.libraryLookup(only(folder, "libllama.v*.so"), forever));
        ggml = NativeFunctions.bind(Ggml.class, libraries);
        gguf = NativeFunctions.bind(Gguf.class, libraries);
        llama = NativeFunctions.bind(Llama.class, libraries);
        MemorySegment callback = log.callback(forever);
        run(() -> {
            llama.setLog().invokeExact(callback, MemorySegment.NULL);
        });
        // Without the folder's name ggml looks for its kernels beside the Java executable and finds none.
        MemorySegment path = forever.allocateFrom(folder.toString());
        run(() -> {
            ggml.loadBackends().invokeExact(path);
        });
        run(() -> {
            llama.init().invokeExact();
        });
        try (Arena arena = Arena.ofConfined()) {
            typeCount = Structs.getInt(Structs.QUANTIZE_PARAMS, quantizeDefaults(arena), "output_tensor_type");
        }
    }

    private static final class Loaded {
        static final LlamaCpp INSTANCE = new LlamaCpp(Path.of(System.getProperty("quern.oracle", "")));
    }

    /**
     * The libraries, loaded once. Where they are missing the test is skipped, and fails if the environment says
     * QUERN_REQUIRE_ORACLE=1. Call it in a test method: in a static initializer a skip would count as an error.
     */
    public static LlamaCpp require() {
        String folder = System.getProperty("quern.oracle", "");
        if (folder.isEmpty() || !Files.isRegularFile(Path.of(folder, "libggml-base.so"))) {
            String message =
                    "llama.cpp's libraries are not in \"" + folder + "\" (quern.oracle): run scripts/fetch-oracle";
            if ("1".equals(System.getenv("QUERN_REQUIRE_ORACLE"))) {
                throw new AssertionError(message);
            }
            Assumptions.abort(message);
        }
        return Loaded.INSTANCE;
    }

    /** Loads a model whole. */
    public static LlamaModel load(Path model) {
        return require().open(model, false);
    }

    /** Loads a model's tokenizer and metadata; a file without tensors is enough. */
    public static LlamaModel loadVocabulary(Path model) {
        return require().open(model, true);
    }

    /** Release and commit of the libraries, for a report. */
    public String version() {
        return text(call(() -> (MemorySegment) llama.version().invokeExact())) + " ("
                + text(call(() -> (MemorySegment) ggml.commit().invokeExact())) + ")";
    }

    /** Type ids run from 0 to below this number, with gaps. */
    public int typeCount() {
        return typeCount;
    }

    public String typeName(int ggmlType) {
        return text(call(() -> (MemorySegment) ggml.typeName().invokeExact(known(ggmlType))));
    }

    /** Values in a block; 0 for an id that was given up. */
    public int blockLength(int ggmlType) {
        return Math.toIntExact(call(() -> (long) ggml.blockLength().invokeExact(known(ggmlType))));
    }

    /** Bytes of a block; 0 for an id that was given up. */
    public int blockBytes(int ggmlType) {
        return Math.toIntExact(call(() -> (long) ggml.typeSize().invokeExact(known(ggmlType))));
    }

    public long rowBytes(int ggmlType, long values) {
        requireWholeBlocks(ggmlType, values);
        return call(() -> (long) ggml.rowSize().invokeExact(ggmlType, values));
    }

    public boolean requiresImportance(int ggmlType) {
        return call(() -> (boolean) ggml.requiresImportance().invokeExact(known(ggmlType)));
    }

    /** Whether quantize() knows the type: the floats, and every block type that a file may hold. */
    public boolean canQuantize(int ggmlType) {
        return switch (typeName(ggmlType)) {
            case "f32", "f16", "bf16" -> true;
            default ->
                ggmlType != Q8_1
                        && ggmlType != Q8_K
                        && Structs.getBoolean(Structs.TYPE_TRAITS, traits(ggmlType), "is_quantized");
        };
    }

    /** Rows of values to rows of blocks, by the function that llama-quantize calls. */
    public byte[] quantize(int ggmlType, float[] values, int rows, int rowLength, float @Nullable [] importance) {
        require(canQuantize(ggmlType), "type " + ggmlType + " cannot be quantized to");
        require(values.length == Math.multiplyExact(rows, rowLength), "values are not rows x rowLength");
        require(importance == null || importance.length == rowLength, "one importance a column is needed");
        require(importance != null || !requiresImportance(ggmlType), typeName(ggmlType) + " needs importance");
        long bytes = Math.multiplyExact(rows, rowBytes(ggmlType, rowLength));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocateFrom(JAVA_FLOAT, values);
            MemorySegment target = arena.allocate(bytes, 64);
            MemorySegment weights =
                    importance == null ? MemorySegment.NULL : arena.allocateFrom(JAVA_FLOAT, importance);
            run(() -> {
                ggml.quantizeInit().invokeExact(ggmlType);
            });
            long written = call(() -> (long) ggml.quantizeChunk()
                    .invokeExact(ggmlType, source, target, 0L, (long) rows, (long) rowLength, weights));
            require(written == bytes, written + " bytes written instead of " + bytes);
            return target.toArray(JAVA_BYTE);
        }
    }

    /** Blocks to values, by the function that ggml itself uses to read them. */
    public float[] dequantize(int ggmlType, byte[] blocks, int values) {
        require(blocks.length == rowBytes(ggmlType, values), "blocks do not hold that many values");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocate(blocks.length, 64).copyFrom(MemorySegment.ofArray(blocks));
            MemorySegment toFloat = Structs.getAddress(Structs.TYPE_TRAITS, traits(ggmlType), "to_float");
            if (toFloat.equals(MemorySegment.NULL)) {
                require(typeName(ggmlType).equals("f32"), typeName(ggmlType) + " has no function to read it");
                return source.toArray(JAVA_FLOAT);
            }
            MethodHandle function = Linker.nativeLinker()
                    .downcallHandle(
                            toFloat,
                            FunctionDescriptor.ofVoid(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
            return floats(arena, function, source, values);
        }
    }

    public short[] toHalf(float[] values) {
        return shorts(ggml.toHalf(), values);
    }

    public float[] fromHalf(short[] values) {
        try (Arena arena = Arena.ofConfined()) {
            return floats(arena, ggml.fromHalf(), arena.allocateFrom(JAVA_SHORT, values), values.length);
        }
    }

    public short[] toBrainFloat(float[] values) {
        return shorts(ggml.toBrainFloat(), values);
    }

    public float[] fromBrainFloat(short[] values) {
        try (Arena arena = Arena.ofConfined()) {
            return floats(arena, ggml.fromBrainFloat(), arena.allocateFrom(JAVA_SHORT, values), values.length);
        }
    }

    /** A GGUF file as ggml's own reader sees it; a file that it refuses is an AssertionError with its reason. */
    public GgufContents readGguf(Path file) {
        return GgufContents.read(this, file);
    }

    /** llama-quantize: reads a GGUF file and writes it in another file type (not a tensor type: 15 is Q4_K_M). */
    public void quantizeModel(Path in, Path out, int fileType, int threads, QuantizeOptions options) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = quantizeDefaults(arena);
            Structs.set(Structs.QUANTIZE_PARAMS, params, "ftype", fileType);
            Structs.set(Structs.QUANTIZE_PARAMS, params, "nthread", threads);
            options.writeTo(params, arena);
            MemorySegment from = arena.allocateFrom(in.toString());
            MemorySegment to = arena.allocateFrom(out.toString());
            log.drain();
            int failed = call(() -> (int) llama.quantize().invokeExact(from, to, params));
            require(failed == 0, in + " to file type " + fileType + ": " + log.drain());
        }
    }

    private LlamaModel open(Path file, boolean vocabularyOnly) {
        return LlamaModel.load(this, file, vocabularyOnly);
    }

    Gguf gguf() {
        return gguf;
    }

    Llama llama() {
        return llama;
    }

    NativeLog log() {
        return log;
    }

    MemorySegment quantizeDefaults(Arena arena) {
        return call(() -> (MemorySegment) llama.quantizeDefaults().invokeExact((SegmentAllocator) arena));
    }

    MemorySegment modelDefaults(Arena arena) {
        return call(() -> (MemorySegment) llama.modelDefaults().invokeExact((SegmentAllocator) arena));
    }

    MemorySegment contextDefaults(Arena arena) {
        return call(() -> (MemorySegment) llama.contextDefaults().invokeExact((SegmentAllocator) arena));
    }

    static void require(boolean holds, String message) {
        if (!holds) {
            throw new AssertionError("llama.cpp: " + message);
        }
    }

    /** A C string of unknown length. */
    static String text(MemorySegment pointer) {
        return pointer.equals(MemorySegment.NULL)
                ? ""
                : pointer.reinterpret(Long.MAX_VALUE).getString(0);
    }

    private MemorySegment traits(int ggmlType) {
        return call(() -> (MemorySegment) ggml.typeTraits().invokeExact(known(ggmlType)))
                .reinterpret(Structs.TYPE_TRAITS.byteSize());
    }

    private int known(int ggmlType) {
        require(ggmlType >= 0 && ggmlType < typeCount, "no type has the id " + ggmlType);
        return ggmlType;
    }

    private void requireWholeBlocks(int ggmlType, long values) {
        int length = blockLength(ggmlType);
        require(length > 0, "type id " + ggmlType + " was given up");
        require(values % length == 0, values + " values are no whole number of blocks of " + length);
    }

    private static short[] shorts(MethodHandle function, float[] values) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocateFrom(JAVA_FLOAT, values);
            MemorySegment target = arena.allocate(JAVA_SHORT, values.length);
            run(() -> {
                function.invokeExact(source, target, (long) values.length);
            });
            return target.toArray(JAVA_SHORT);
        }
    }

    private static float[] floats(Arena arena, MethodHandle function, MemorySegment source, int values) {
        MemorySegment target = arena.allocate(JAVA_FLOAT, values);
        run(() -> {
            function.invokeExact(source, target, (long) values);
        });
        return target.toArray(JAVA_FLOAT);
    }

    private static Path only(Path folder, String pattern) {
        try (var found = Files.newDirectoryStream(folder, pattern)) {
            return found.iterator().next();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
