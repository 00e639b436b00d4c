package dev.quern.oracle;

import static dev.quern.oracle.NativeFunctions.call;
import static dev.quern.oracle.NativeFunctions.run;
import static dev.quern.oracle.Structs.BATCH;
import static dev.quern.oracle.Structs.CONTEXT_PARAMS;
import static dev.quern.oracle.Structs.MODEL_PARAMS;
import static dev.quern.oracle.Structs.set;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** A model that llama.cpp has loaded. */
public final class LlamaModel implements AutoCloseable {
    private final LlamaCpp library;
    private final Llama llama;
    private final MemorySegment model;
    private final MemorySegment vocabulary;

    private LlamaModel(LlamaCpp library, MemorySegment model) {
        this.library = library;
        this.llama = library.llama();
        this.model = model;
        this.vocabulary = call(() -> (MemorySegment) llama.vocabulary().invokeExact(model));
    }

    static LlamaModel load(LlamaCpp library, Path file, boolean vocabularyOnly) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = library.modelDefaults(arena);
            set(MODEL_PARAMS, params, "vocab_only", vocabularyOnly);
            MemorySegment path = arena.allocateFrom(file.toString());
            library.log().drain();
            MemorySegment model =
                    call(() -> (MemorySegment) library.llama().load().invokeExact(path, params));
            LlamaCpp.require(
                    !model.equals(MemorySegment.NULL),
                    file + ": " + library.log().drain());
            return new LlamaModel(library, model);
        }
    }

    public int vocabularySize() {
        return call(() -> (int) llama.vocabularySize().invokeExact(vocabulary));
    }

    /** The metadata as llama.cpp prints it, sorted by key; it leaves arrays out. */
    public Map<String, String> metadata() {
        Map<String, String> metadata = new TreeMap<>();
        int count = call(() -> (int) llama.keys().invokeExact(model));
        for (int i = 0; i < count; i++) {
            metadata.put(metadataText(llama.key(), i), metadataText(llama.value(), i));
        }
        return Collections.unmodifiableMap(metadata);
    }

    private String metadataText(MethodHandle function, int index) {
        try (Arena arena = Arena.ofConfined()) {
            int length = call(() -> (int) function.invokeExact(model, index, MemorySegment.NULL, 0L));
            LlamaCpp.require(length >= 0, "no metadata at " + index);
            MemorySegment text = arena.allocate(length + 1L);
            int written = call(() -> (int) function.invokeExact(model, index, text, length + 1L));
            LlamaCpp.require(written == length, "metadata at " + index + " changed");
            return text.getString(0);
        }
    }

    /**
     * @param addSpecial puts the tokens around the text that the model wants there
     * @param parseSpecial takes text that spells a special token for that token
     */
    public int[] tokenize(byte[] text, boolean addSpecial, boolean parseSpecial) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocateFrom(JAVA_BYTE, text);
            // Never more tokens than bytes, of which a space becomes three, and the ones around the text.
            int room = Math.addExact(Math.multiplyExact(text.length, 3), 8);
            MemorySegment tokens = arena.allocate(JAVA_INT, room);
            int count = call(() -> (int) llama.tokenize()
                    .invokeExact(vocabulary, bytes, text.length, tokens, room, addSpecial, parseSpecial));
            LlamaCpp.require(count >= 0, "the text has " + -count + " tokens, there is room for " + room);
            return tokens.asSlice(0, (long) count * Integer.BYTES).toArray(JAVA_INT);
        }
    }

    /** What the model expects after each of the tokens, as llama-perplexity would compute it. */
    public float[] logits(int[] tokens) {
        return logits(tokens, ContextOptions.AS_THE_TOOLS);
    }

    /** A LoRA adapter in GGUF for this model; the library frees it with the model. */
    public MemorySegment adapter(Path file) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment path = arena.allocateFrom(file.toString());
            library.log().drain();
            MemorySegment adapter =
                    call(() -> (MemorySegment) llama.loadAdapter().invokeExact(model, path));
            LlamaCpp.require(
                    !adapter.equals(MemorySegment.NULL),
                    file + ": " + library.log().drain());
            return adapter;
        }
    }

    /** One row of vocabularySize() values for each token; the tokens are the whole text the model sees. */
    public float[] logits(int[] tokens, ContextOptions options) {
        return logits(tokens, options, MemorySegment.NULL);
    }

    /** @param adapter from {@link #adapter}, applied whole; or null in C's sense */
    public float[] logits(int[] tokens, ContextOptions options, MemorySegment adapter) {
        for (int token : tokens) {
            LlamaCpp.require(token >= 0 && token < vocabularySize(), token + " is not in the vocabulary");
        }
        try (Arena arena = Arena.ofConfined();
                Context context = new Context(arena, tokens.length, options)) {
            context.use(adapter, arena);
            context.decode(batch(arena, tokens, 0, tokens.length));
            MemorySegment logits = context.logits();
            long bytes = Math.multiplyExact((long) tokens.length * vocabularySize(), Float.BYTES);
            return logits.reinterpret(bytes).toArray(JAVA_FLOAT);
        }
    }

    /**
     * A text's vector, as llama-embedding makes it before it normalizes.
     *
     * @param pooling the library's number of the way: 1 mean, 2 the first token, 3 the last; -1 as the model says
     */
    public float[] vector(int[] tokens, int pooling) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = contextParams(arena, tokens.length, ContextOptions.FLOAT);
            // An encoder takes a whole text at once.
            set(CONTEXT_PARAMS, params, "n_ubatch", tokens.length);
            set(CONTEXT_PARAMS, params, "embeddings", true);
            set(CONTEXT_PARAMS, params, "pooling_type", pooling);
            try (Context context = new Context(params)) {
                context.decode(batch(arena, tokens, 0, tokens.length));
                int width = call(() -> (int) llama.width().invokeExact(model));
                return context.vector().reinterpret((long) width * Float.BYTES).toArray(JAVA_FLOAT);
            }
        }
    }

    /**
     * Seconds that one llama_decode of a whole text takes, in a context that has decoded it before.
     *
     * @param from the first of the positions whose logits are computed
     * @param to the first after them
     */
    public double decodeSeconds(int[] tokens, int from, int to, ContextOptions options) {
        try (Arena arena = Arena.ofConfined();
                Context context = new Context(arena, tokens.length, options)) {
            MemorySegment batch = batch(arena, tokens, from, to);
            context.decode(batch);
            context.forget();
            long start = System.nanoTime();
            context.decode(batch);
            return (System.nanoTime() - start) * 1e-9;
        }
    }

    /** The cache of a text that has been seen, and the buffers beside it. */
    private final class Context implements AutoCloseable {
        private final MemorySegment context;

        Context(Arena arena, int tokens, ContextOptions options) {
            this(contextParams(arena, tokens, options));
        }

        Context(MemorySegment params) {
            library.log().drain();
            context = call(() -> (MemorySegment) llama.newContext().invokeExact(model, params));
            LlamaCpp.require(
                    !context.equals(MemorySegment.NULL),
                    "no context: " + library.log().drain());
        }

        void use(MemorySegment adapter, Arena arena) {
            if (adapter.equals(MemorySegment.NULL)) {
                return;
            }
            MemorySegment adapters = arena.allocateFrom(ADDRESS, adapter);
            MemorySegment scales = arena.allocateFrom(JAVA_FLOAT, 1f);
            int refused = call(() -> (int) llama.setAdapters().invokeExact(context, adapters, 1L, scales));
            LlamaCpp.require(refused == 0, "adapter refused: " + library.log().drain());
        }

        /** Returns when the logits are there. */
        void decode(MemorySegment batch) {
            int failed = call(() -> (int) llama.decode().invokeExact(context, batch));
            LlamaCpp.require(failed == 0, "decoding failed: " + library.log().drain());
            logits();
        }

        MemorySegment logits() {
            return call(() -> (MemorySegment) llama.logits().invokeExact(context));
        }

        MemorySegment vector() {
            MemorySegment vector = call(() -> (MemorySegment) llama.vector().invokeExact(context, 0));
            LlamaCpp.require(!vector.equals(MemorySegment.NULL), "no vector: the model does not pool");
            return vector;
        }

        void forget() {
            run(() -> {
                MemorySegment memory = (MemorySegment) llama.memory().invokeExact(context);
                llama.clearMemory().invokeExact(memory, true);
            });
        }

        @Override
        public void close() {
            run(() -> {
                llama.freeContext().invokeExact(context);
            });
        }
    }

    private MemorySegment contextParams(Arena arena, int tokens, ContextOptions options) {
        MemorySegment params = library.contextDefaults(arena);
        set(CONTEXT_PARAMS, params, "n_ctx", tokens);
        set(CONTEXT_PARAMS, params, "n_batch", tokens);
        // 0 is all of the batch; the default of 1 is enough for a chat, which needs the last row only.
        set(CONTEXT_PARAMS, params, "n_outputs_max_per_seq", 0);
        set(CONTEXT_PARAMS, params, "n_threads", options.threads());
        set(CONTEXT_PARAMS, params, "n_threads_batch", options.threads());
        set(CONTEXT_PARAMS, params, "flash_attn_type", options.flashAttention());
        set(CONTEXT_PARAMS, params, "type_k", options.cacheType());
        set(CONTEXT_PARAMS, params, "type_v", options.cacheType());
        return params;
    }

    private static MemorySegment batch(Arena arena, int[] tokens, int from, int to) {
        int count = tokens.length;
        MemorySegment sequence = arena.allocateFrom(JAVA_INT, 0);
        MemorySegment sequences = arena.allocate(ADDRESS, count);
        for (int i = 0; i < count; i++) {
            sequences.setAtIndex(ADDRESS, i, sequence);
        }
        MemorySegment wanted = arena.allocate(count);
        wanted.asSlice(from, to - from).fill((byte) 1);
        MemorySegment batch = arena.allocate(BATCH);
        set(BATCH, batch, "n_tokens", count);
        set(BATCH, batch, "token", arena.allocateFrom(JAVA_INT, tokens));
        set(
                BATCH,
                batch,
                "pos",
                arena.allocateFrom(JAVA_INT, IntStream.range(0, count).toArray()));
        set(
                BATCH,
                batch,
                "n_seq_id",
                arena.allocateFrom(
                        JAVA_INT, IntStream.generate(() -> 1).limit(count).toArray()));
        set(BATCH, batch, "seq_id", sequences);
        set(BATCH, batch, "logits", wanted);
        return batch;
    }

    @Override
    public void close() {
        run(() -> {
            llama.freeModel().invokeExact(model);
        });
    }
}
