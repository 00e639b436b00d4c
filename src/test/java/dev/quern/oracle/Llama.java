package dev.quern.oracle;

import static dev.quern.oracle.NativeType.BATCH;
import static dev.quern.oracle.NativeType.BOOL;
import static dev.quern.oracle.NativeType.CONTEXT_PARAMS;
import static dev.quern.oracle.NativeType.INT;
import static dev.quern.oracle.NativeType.LONG;
import static dev.quern.oracle.NativeType.MODEL_PARAMS;
import static dev.quern.oracle.NativeType.POINTER;
import static dev.quern.oracle.NativeType.QUANTIZE_PARAMS;

import java.lang.invoke.MethodHandle;

/** The functions of libllama that load, run and quantize models. */
record Llama(
        @NativeSignature(name = "llama_backend_init") MethodHandle init,

        @NativeSignature(
                name = "llama_log_set",
                takes = {POINTER, POINTER})
        MethodHandle setLog,

        @NativeSignature(name = "llama_version", returns = POINTER)
        MethodHandle version,

        @NativeSignature(name = "llama_model_default_params", returns = MODEL_PARAMS)
        MethodHandle modelDefaults,

        @NativeSignature(name = "llama_context_default_params", returns = CONTEXT_PARAMS)
        MethodHandle contextDefaults,

        @NativeSignature(name = "llama_model_quantize_default_params", returns = QUANTIZE_PARAMS)
        MethodHandle quantizeDefaults,

        @NativeSignature(
                name = "llama_model_quantize",
                returns = INT,
                takes = {POINTER, POINTER, POINTER})
        MethodHandle quantize,

        @NativeSignature(
                name = "llama_model_load_from_file",
                returns = POINTER,
                takes = {POINTER, MODEL_PARAMS})
        MethodHandle load,

        @NativeSignature(
                name = "llama_model_free",
                takes = {POINTER})
        MethodHandle freeModel,

        @NativeSignature(
                name = "llama_model_get_vocab",
                returns = POINTER,
                takes = {POINTER})
        MethodHandle vocabulary,

        @NativeSignature(
                name = "llama_vocab_n_tokens",
                returns = INT,
                takes = {POINTER})
        MethodHandle vocabularySize,

        @NativeSignature(
                name = "llama_model_meta_count",
                returns = INT,
                takes = {POINTER})
        MethodHandle keys,

        @NativeSignature(
                name = "llama_model_meta_key_by_index",
                returns = INT,
                takes = {POINTER, INT, POINTER, LONG})
        MethodHandle key,

        @NativeSignature(
                name = "llama_model_meta_val_str_by_index",
                returns = INT,
                takes = {POINTER, INT, POINTER, LONG})
        MethodHandle value,

        @NativeSignature(
                name = "llama_tokenize",
                returns = INT,
                takes = {POINTER, POINTER, INT, POINTER, INT, BOOL, BOOL})
        MethodHandle tokenize,

        @NativeSignature(
                name = "llama_init_from_model",
                returns = POINTER,
                takes = {POINTER, CONTEXT_PARAMS})
        MethodHandle newContext,

        @NativeSignature(
                name = "llama_free",
                takes = {POINTER})
        MethodHandle freeContext,

        @NativeSignature(
                name = "llama_get_memory",
                returns = POINTER,
                takes = {POINTER})
        MethodHandle memory,

        @NativeSignature(
                name = "llama_memory_clear",
                takes = {POINTER, BOOL})
        MethodHandle clearMemory,

        @NativeSignature(
                name = "llama_decode",
                returns = INT,
                takes = {POINTER, BATCH})
        MethodHandle decode,

        @NativeSignature(
                name = "llama_adapter_lora_init",
                returns = POINTER,
                takes = {POINTER, POINTER})
        MethodHandle loadAdapter,

        @NativeSignature(
                name = "llama_set_adapters_lora",
                returns = INT,
                takes = {POINTER, POINTER, LONG, POINTER})
        MethodHandle setAdapters,

        @NativeSignature(
                name = "llama_get_logits",
                returns = POINTER,
                takes = {POINTER})
        MethodHandle logits,

        @NativeSignature(
                name = "llama_model_n_embd",
                returns = INT,
                takes = {POINTER})
        MethodHandle width,

        @NativeSignature(
                name = "llama_get_embeddings_seq",
                returns = POINTER,
                takes = {POINTER, INT})
        MethodHandle vector) {}
