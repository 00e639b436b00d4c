package dev.quern.oracle;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * The structs of llama.cpp v0.5.0 that its functions take by value or through a pointer. They change from release to
 * release without any change of a function's name, so the tests compare every default with the documented one.
 */
final class Structs {
    static final StructLayout MODEL_PARAMS = struct(
            ADDRESS.withName("devices"),
            ADDRESS.withName("tensor_buft_overrides"),
            JAVA_INT.withName("n_gpu_layers"),
            JAVA_INT.withName("split_mode"),
            JAVA_INT.withName("load_mode"),
            JAVA_INT.withName("lazy_mode"),
            JAVA_INT.withName("main_gpu"),
            ADDRESS.withName("tensor_split"),
            ADDRESS.withName("progress_callback"),
            ADDRESS.withName("progress_callback_user_data"),
            ADDRESS.withName("kv_overrides"),
            JAVA_BOOLEAN.withName("vocab_only"),
            JAVA_BOOLEAN.withName("check_tensors"),
            JAVA_BOOLEAN.withName("use_extra_bufts"),
            JAVA_BOOLEAN.withName("no_host"),
            JAVA_BOOLEAN.withName("no_alloc"),
            JAVA_BOOLEAN.withName("load_mtp"));

    static final StructLayout CONTEXT_PARAMS = struct(
            JAVA_INT.withName("n_ctx"),
            JAVA_INT.withName("n_batch"),
            JAVA_INT.withName("n_ubatch"),
            JAVA_INT.withName("n_seq_max"),
            JAVA_INT.withName("n_rs_seq"),
            JAVA_INT.withName("n_outputs_max"),
            JAVA_INT.withName("n_outputs_max_per_seq"),
            JAVA_INT.withName("n_threads"),
            JAVA_INT.withName("n_threads_batch"),
            JAVA_INT.withName("ctx_type"),
            JAVA_INT.withName("rope_scaling_type"),
            JAVA_INT.withName("pooling_type"),
            JAVA_INT.withName("attention_type"),
            JAVA_INT.withName("flash_attn_type"),
            JAVA_FLOAT.withName("rope_freq_base"),
            JAVA_FLOAT.withName("rope_freq_scale"),
            JAVA_FLOAT.withName("yarn_ext_factor"),
            JAVA_FLOAT.withName("yarn_attn_factor"),
            JAVA_FLOAT.withName("yarn_beta_fast"),
            JAVA_FLOAT.withName("yarn_beta_slow"),
            JAVA_INT.withName("yarn_orig_ctx"),
            JAVA_FLOAT.withName("defrag_thold"),
            ADDRESS.withName("cb_eval"),
            ADDRESS.withName("cb_eval_user_data"),
            JAVA_INT.withName("type_k"),
            JAVA_INT.withName("type_v"),
            ADDRESS.withName("abort_callback"),
            ADDRESS.withName("abort_callback_data"),
            JAVA_BOOLEAN.withName("embeddings"),
            JAVA_BOOLEAN.withName("offload_kqv"),
            JAVA_BOOLEAN.withName("no_perf"),
            JAVA_BOOLEAN.withName("op_offload"),
            JAVA_BOOLEAN.withName("swa_full"),
            JAVA_BOOLEAN.withName("kv_unified"),
            ADDRESS.withName("samplers"),
            JAVA_LONG.withName("n_samplers"),
            ADDRESS.withName("ctx_other"));

    static final StructLayout QUANTIZE_PARAMS = struct(
            JAVA_INT.withName("nthread"),
            JAVA_INT.withName("ftype"),
            JAVA_INT.withName("output_tensor_type"),
            JAVA_INT.withName("token_embedding_type"),
            JAVA_BOOLEAN.withName("allow_requantize"),
            JAVA_BOOLEAN.withName("quantize_output_tensor"),
            JAVA_BOOLEAN.withName("only_copy"),
            JAVA_BOOLEAN.withName("pure"),
            JAVA_BOOLEAN.withName("keep_split"),
            JAVA_BOOLEAN.withName("dry_run"),
            ADDRESS.withName("imatrix"),
            ADDRESS.withName("kv_overrides"),
            ADDRESS.withName("tt_overrides"),
            ADDRESS.withName("prune_layers"),
            JAVA_LONG.withName("max_buf_size"));

    static final StructLayout IMPORTANCE =
            struct(ADDRESS.withName("name"), ADDRESS.withName("data"), JAVA_LONG.withName("size"));

    static final StructLayout TENSOR_OVERRIDE = struct(ADDRESS.withName("pattern"), JAVA_INT.withName("type"));

    /** The value is a union of an integer, a double, a bool and 128 bytes of text; named by its start. */
    static final StructLayout KEY_OVERRIDE = struct(
            JAVA_INT.withName("tag"),
            MemoryLayout.sequenceLayout(128, JAVA_BYTE).withName("key"),
            JAVA_LONG.withName("value"),
            MemoryLayout.sequenceLayout(120, JAVA_BYTE).withName("rest_of_value"));

    static final StructLayout BATCH = struct(
            JAVA_INT.withName("n_tokens"),
            ADDRESS.withName("token"),
            ADDRESS.withName("embd"),
            ADDRESS.withName("pos"),
            ADDRESS.withName("n_seq_id"),
            ADDRESS.withName("seq_id"),
            ADDRESS.withName("logits"));

    static final StructLayout GGUF_INIT_PARAMS = struct(JAVA_BOOLEAN.withName("no_alloc"), ADDRESS.withName("ctx"));

    static final StructLayout TYPE_TRAITS = struct(
            ADDRESS.withName("type_name"),
            JAVA_LONG.withName("blck_size"),
            JAVA_LONG.withName("blck_size_interleave"),
            JAVA_LONG.withName("type_size"),
            JAVA_BOOLEAN.withName("is_quantized"),
            ADDRESS.withName("to_float"),
            ADDRESS.withName("from_float_ref"));

    private Structs() {}

    static int getInt(StructLayout struct, MemorySegment at, String field) {
        return at.get(JAVA_INT, offset(struct, field));
    }

    static long getLong(StructLayout struct, MemorySegment at, String field) {
        return at.get(JAVA_LONG, offset(struct, field));
    }

    static boolean getBoolean(StructLayout struct, MemorySegment at, String field) {
        return at.get(JAVA_BOOLEAN, offset(struct, field));
    }

    static MemorySegment getAddress(StructLayout struct, MemorySegment at, String field) {
        return at.get(ADDRESS, offset(struct, field));
    }

    static void set(StructLayout struct, MemorySegment at, String field, int value) {
        at.set(JAVA_INT, offset(struct, field), value);
    }

    static void set(StructLayout struct, MemorySegment at, String field, long value) {
        at.set(JAVA_LONG, offset(struct, field), value);
    }

    static void set(StructLayout struct, MemorySegment at, String field, boolean value) {
        at.set(JAVA_BOOLEAN, offset(struct, field), value);
    }

    static void set(StructLayout struct, MemorySegment at, String field, MemorySegment value) {
        at.set(ADDRESS, offset(struct, field), value);
    }

    static long offset(StructLayout struct, String field) {
        return struct.byteOffset(PathElement.groupElement(field));
    }

    /** Lays fields out as a C compiler does: each at a multiple of its alignment, the whole at one of the largest. */
    private static StructLayout struct(MemoryLayout... fields) {
        List<MemoryLayout> members = new ArrayList<>();
        long size = 0;
        long alignment = 1;
        for (MemoryLayout field : fields) {
            long padding = Math.floorMod(-size, field.byteAlignment());
            if (padding > 0) {
                members.add(MemoryLayout.paddingLayout(padding));
            }
            members.add(field);
            size += padding + field.byteSize();
            alignment = Math.max(alignment, field.byteAlignment());
        }
        long padding = Math.floorMod(-size, alignment);
        if (padding > 0) {
            members.add(MemoryLayout.paddingLayout(padding));
        }
        return MemoryLayout.structLayout(members.toArray(MemoryLayout[]::new));
    }
}
