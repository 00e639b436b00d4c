package dev.quern.oracle;

import static dev.quern.oracle.NativeType.GGUF_INIT_PARAMS;
import static dev.quern.oracle.NativeType.INT;
import static dev.quern.oracle.NativeType.LONG;
import static dev.quern.oracle.NativeType.POINTER;

import java.lang.invoke.MethodHandle;

/** ggml's own reader of GGUF files. */
record Gguf(
        @NativeSignature(
                name = "gguf_init_from_file",
                returns = POINTER,
                takes = {POINTER, GGUF_INIT_PARAMS})
        MethodHandle open,

        @NativeSignature(
                name = "gguf_free",
                takes = {POINTER})
        MethodHandle free,

        @NativeSignature(
                name = "gguf_get_version",
                returns = INT,
                takes = {POINTER})
        MethodHandle version,

        @NativeSignature(
                name = "gguf_get_alignment",
                returns = LONG,
                takes = {POINTER})
        MethodHandle alignment,

        @NativeSignature(
                name = "gguf_get_data_offset",
                returns = LONG,
                takes = {POINTER})
        MethodHandle dataOffset,

        @NativeSignature(
                name = "gguf_get_n_kv",
                returns = LONG,
                takes = {POINTER})
        MethodHandle keys,

        @NativeSignature(
                name = "gguf_get_key",
                returns = POINTER,
                takes = {POINTER, LONG})
        MethodHandle key,

        @NativeSignature(
                name = "gguf_get_kv_type",
                returns = INT,
                takes = {POINTER, LONG})
        MethodHandle valueType,

        @NativeSignature(
                name = "gguf_get_val_data",
                returns = POINTER,
                takes = {POINTER, LONG})
        MethodHandle value,

        @NativeSignature(
                name = "gguf_get_val_str",
                returns = POINTER,
                takes = {POINTER, LONG})
        MethodHandle text,

        @NativeSignature(
                name = "gguf_get_arr_type",
                returns = INT,
                takes = {POINTER, LONG})
        MethodHandle elementType,

        @NativeSignature(
                name = "gguf_get_arr_n",
                returns = LONG,
                takes = {POINTER, LONG})
        MethodHandle elements,

        @NativeSignature(
                name = "gguf_get_arr_data",
                returns = POINTER,
                takes = {POINTER, LONG})
        MethodHandle elementData,

        @NativeSignature(
                name = "gguf_get_arr_str",
                returns = POINTER,
                takes = {POINTER, LONG, LONG})
        MethodHandle elementText,

        @NativeSignature(
                name = "gguf_get_n_tensors",
                returns = LONG,
                takes = {POINTER})
        MethodHandle tensors,

        @NativeSignature(
                name = "gguf_get_tensor_name",
                returns = POINTER,
                takes = {POINTER, LONG})
        MethodHandle tensorName,

        @NativeSignature(
                name = "gguf_get_tensor_type",
                returns = INT,
                takes = {POINTER, LONG})
        MethodHandle tensorType,

        @NativeSignature(
                name = "gguf_get_tensor_ne",
                returns = POINTER,
                takes = {POINTER, LONG})
        MethodHandle tensorShape,

        @NativeSignature(
                name = "gguf_get_tensor_offset",
                returns = LONG,
                takes = {POINTER, LONG})
        MethodHandle tensorOffset,

        @NativeSignature(
                name = "gguf_get_tensor_size",
                returns = LONG,
                takes = {POINTER, LONG})
        MethodHandle tensorSize) {}
