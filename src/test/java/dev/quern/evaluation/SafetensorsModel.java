package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import dev.quern.tensor.DType;
import dev.quern.tensor.PermutedRows;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The bundled model's safetensors file seen as a GGUF model: names, and rows of queries and keys, are GGUF's. */
final class SafetensorsModel {
    private static final Map<String, String> NAMES = Map.of(
            "input_layernorm", "attn_norm",
            "self_attn.q_proj", "attn_q",
            "self_attn.k_proj", "attn_k",
            "self_attn.v_proj", "attn_v",
            "self_attn.o_proj", "attn_output",
            "post_attention_layernorm", "ffn_norm",
            "mlp.gate_proj", "ffn_gate",
            "mlp.up_proj", "ffn_up",
            "mlp.down_proj", "ffn_down");

    private SafetensorsModel() {}

    static Model open(Path directory) {
        JsonMapper json = JsonMapper.shared();
        JsonNode config = json.readTree(directory.resolve("config.json").toFile());
        int heads = config.get("num_attention_heads").asInt();
        int keyValueHeads = config.get("num_key_value_heads").asInt();
        MappedFile file = MappedFile.open(directory.resolve("model.safetensors"));
        Region all = file.region();
        int headerLength = (int) all.i64(0);
        JsonNode header = json.readTree(all.bytes(8, headerLength));
        TensorGraph tensors = new TensorGraph();
        for (var entry : header.properties()) {
            if (!entry.getKey().equals("__metadata__")) {
                TensorSource stored = stored(all, 8L + headerLength, entry.getKey(), entry.getValue());
                tensors.add(renamed(stored, heads, keyValueHeads));
            }
        }
        return new Model(directory.toString(), metadata(config), tensors, List.of(file));
    }

    private static GgufMetadata metadata(JsonNode config) {
        return new GgufMetadata()
                .put("general.architecture", GgufValue.text("llama"))
                .put(
                        "llama.context_length",
                        GgufValue.u32(config.get("max_position_embeddings").asInt()))
                .put(
                        "llama.embedding_length",
                        GgufValue.u32(config.get("hidden_size").asInt()))
                .put(
                        "llama.block_count",
                        GgufValue.u32(config.get("num_hidden_layers").asInt()))
                .put(
                        "llama.feed_forward_length",
                        GgufValue.u32(config.get("intermediate_size").asInt()))
                .put(
                        "llama.attention.head_count",
                        GgufValue.u32(config.get("num_attention_heads").asInt()))
                .put(
                        "llama.attention.head_count_kv",
                        GgufValue.u32(config.get("num_key_value_heads").asInt()))
                .put("llama.attention.layer_norm_rms_epsilon", GgufValue.f32((float)
                        config.get("rms_norm_eps").asDouble()))
                .put("llama.rope.freq_base", GgufValue.f32((float)
                        config.get("rope_theta").asDouble()));
    }

    private static TensorSource stored(Region all, long data, String name, JsonNode entry) {
        long begin = entry.get("data_offsets").get(0).asLong();
        long end = entry.get("data_offsets").get(1).asLong();
        long[] dims = new long[entry.get("shape").size()];
        for (int i = 0; i < dims.length; i++) {
            dims[i] = entry.get("shape").get(i).asLong();
        }
        TensorInfo info = new TensorInfo(name, DType.valueOf(entry.get("dtype").asString()), Shape.of(dims));
        return new Stored(info, all.slice(data + begin, end - begin));
    }

    private static TensorSource renamed(TensorSource source, int heads, int keyValueHeads) {
        String name = ggufName(source.info().name());
        TensorInfo info = source.info().withName(name);
        if (name.endsWith("attn_q.weight")) {
            return interleaved(info, source, heads);
        }
        return name.endsWith("attn_k.weight") ? interleaved(info, source, keyValueHeads) : new Renamed(info, source);
    }

    /** Transformers rotates element i with i + d/2; GGUF wants the two beside each other. */
    private static TensorSource interleaved(TensorInfo info, TensorSource source, int heads) {
        long head = info.shape().dim(0) / heads;
        return new PermutedRows(info, source, row -> {
            long inside = row % head;
            return row - inside + inside % 2 * (head / 2) + inside / 2;
        });
    }

    private static String ggufName(String name) {
        return switch (name) {
            case "model.embed_tokens.weight" -> "token_embd.weight";
            case "model.norm.weight" -> "output_norm.weight";
            case "lm_head.weight" -> "output.weight";
            default -> {
                String[] parts = name.split("\\.", 4);
                String inner = parts[3].substring(0, parts[3].length() - ".weight".length());
                yield "blk." + parts[2] + "." + NAMES.get(inner) + ".weight";
            }
        };
    }
}
