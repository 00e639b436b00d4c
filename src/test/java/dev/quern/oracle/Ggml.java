package dev.quern.oracle;

import static dev.quern.oracle.NativeType.BOOL;
import static dev.quern.oracle.NativeType.INT;
import static dev.quern.oracle.NativeType.LONG;
import static dev.quern.oracle.NativeType.POINTER;

import java.lang.invoke.MethodHandle;

/** The functions of libggml-base that work on blocks, and the one of libggml that finds the processor's kernels. */
record Ggml(
        @NativeSignature(
                name = "ggml_backend_load_all_from_path",
                takes = {POINTER})
        MethodHandle loadBackends,

        @NativeSignature(name = "ggml_commit", returns = POINTER)
        MethodHandle commit,

        @NativeSignature(
                name = "ggml_type_name",
                returns = POINTER,
                takes = {INT})
        MethodHandle typeName,

        @NativeSignature(
                name = "ggml_type_size",
                returns = LONG,
                takes = {INT})
        MethodHandle typeSize,

        @NativeSignature(
                name = "ggml_blck_size",
                returns = LONG,
                takes = {INT})
        MethodHandle blockLength,

        @NativeSignature(
                name = "ggml_row_size",
                returns = LONG,
                takes = {INT, LONG})
        MethodHandle rowSize,

        @NativeSignature(
                name = "ggml_get_type_traits",
                returns = POINTER,
                takes = {INT})
        MethodHandle typeTraits,

        @NativeSignature(
                name = "ggml_quantize_requires_imatrix",
                returns = BOOL,
                takes = {INT})
        MethodHandle requiresImportance,

        @NativeSignature(
                name = "ggml_quantize_init",
                takes = {INT})
        MethodHandle quantizeInit,

        @NativeSignature(
                name = "ggml_quantize_chunk",
                returns = LONG,
                takes = {INT, POINTER, POINTER, LONG, LONG, LONG, POINTER})
        MethodHandle quantizeChunk,

        @NativeSignature(
                name = "ggml_fp32_to_fp16_row",
                takes = {POINTER, POINTER, LONG})
        MethodHandle toHalf,

        @NativeSignature(
                name = "ggml_fp16_to_fp32_row",
                takes = {POINTER, POINTER, LONG})
        MethodHandle fromHalf,

        @NativeSignature(
                name = "ggml_fp32_to_bf16_row_ref",
                takes = {POINTER, POINTER, LONG})
        MethodHandle toBrainFloat,

        @NativeSignature(
                name = "ggml_bf16_to_fp32_row",
                takes = {POINTER, POINTER, LONG})
        MethodHandle fromBrainFloat) {}
