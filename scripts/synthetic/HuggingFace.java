package synthetic;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The files that transformers' save_pretrained leaves: safetensors, an index when there are several, and settings. */
final class HuggingFace {
    private static final Pattern EXPERT = Pattern.compile("feed_forward\\.(experts\\.\\d+\\.w[123]|gate)");

    private static final Map<String, String> LAYER_NAMES = Map.of(
            "attention.wq", "self_attn.q_proj",
            "attention.wk", "self_attn.k_proj",
            "attention.wv", "self_attn.v_proj",
            "attention.wo", "self_attn.o_proj",
            "feed_forward.w1", "mlp.gate_proj",
            "feed_forward.w2", "mlp.down_proj",
            "feed_forward.w3", "mlp.up_proj",
            "attention_norm", "input_layernorm",
            "ffn_norm", "post_attention_layernorm");

    private final Shape shape;
    private final DType dtype;
    private final long seed;

    HuggingFace(Shape shape, DType dtype, long seed) {
        this.shape = shape;
        this.dtype = dtype;
        this.seed = seed;
    }

    /** @param shards how many files, or 0 for as many as {@code maxShardSize} bytes of tensors in each make */
    List<CheckpointFile> files(Path folder, int shards, long maxShardSize) {
        List<List<Tensor.Part>> groups = shards > 0 ? evenly(parts(), shards) : filling(parts(), maxShardSize);
        List<CheckpointFile> files = new ArrayList<>();
        files.add(text(folder, "config.json", shape.configJson(dtype)));
        files.add(text(folder, "generation_config.json", """
            {
              "bos_token_id": 1,
              "eos_token_id": 2
            }
            """));
        files.add(text(folder, "tokenizer_config.json", """
            {
              "add_bos_token": true,
              "add_eos_token": false,
              "add_prefix_space": true,
              "bos_token": "<s>",
              "clean_up_tokenization_spaces": false,
              "eos_token": "</s>",
              "legacy": true,
              "model_max_length": %d,
              "tokenizer_class": "LlamaTokenizer",
              "unk_token": "<unk>"
            }
            """.formatted(shape.context())));
        files.add(CheckpointFile.of(folder.resolve("tokenizer.model"), Vocabulary.model(shape.vocabulary(), seed)));
        Map<String, String> weightMap = new TreeMap<>();
        for (int i = 0; i < groups.size(); i++) {
            String name = groups.size() == 1
                    ? "model.safetensors"
                    : "model-%05d-of-%05d.safetensors".formatted(i + 1, groups.size());
            files.add(safetensors(folder.resolve(name), groups.get(i)));
            groups.get(i).forEach(part -> weightMap.put(part.storedName(), name));
        }
        if (groups.size() > 1) {
            files.add(text(folder, "model.safetensors.index.json", index(weightMap)));
        }
        return files;
    }

    /** In the order in which the model's modules hold them. */
    private List<Tensor.Part> parts() {
        List<Tensor.Part> embedding = new ArrayList<>();
        List<Tensor.Part> layers = new ArrayList<>();
        List<Tensor.Part> ending = new ArrayList<>();
        for (Tensor tensor : shape.tensors()) {
            switch (tensor.name()) {
                case "tok_embeddings.weight" -> embedding.add(tensor.whole("model.embed_tokens.weight", 0));
                case "norm.weight" -> ending.add(tensor.whole("model.norm.weight", 0));
                case "output.weight" -> {
                    if (!shape.tied()) {
                        ending.add(tensor.whole("lm_head.weight", 0));
                    }
                }
                default -> {
                    if (tensor.kind() != Tensor.Kind.ROPE_FREQS) {
                        layers.add(layerPart(tensor));
                    }
                }
            }
        }
        List<Tensor.Part> parts = new ArrayList<>(embedding);
        parts.addAll(layers);
        parts.addAll(ending);
        return parts;
    }

    private Tensor.Part layerPart(Tensor tensor) {
        String[] words = tensor.name().split("\\.", 3);
        String inLayer = words[2].substring(0, words[2].lastIndexOf('.'));
        int rotaryHeads = switch (inLayer) {
            case "attention.wq" -> shape.heads();
            case "attention.wk" -> shape.kvHeads();
            default -> 0;
        };
        Matcher expert = EXPERT.matcher(inLayer);
        String name = expert.matches() ? "block_sparse_moe." + expert.group(1) : LAYER_NAMES.get(inLayer);
        return tensor.whole("model.layers." + words[1] + "." + name + ".weight", rotaryHeads);
    }

    private List<List<Tensor.Part>> filling(List<Tensor.Part> parts, long maxShardSize) {
        List<List<Tensor.Part>> groups = new ArrayList<>();
        long size = 0;
        for (Tensor.Part part : parts) {
            if (groups.isEmpty() || size + bytes(part) > maxShardSize) {
                groups.add(new ArrayList<>());
                size = 0;
            }
            groups.getLast().add(part);
            size += bytes(part);
        }
        return groups;
    }

    private List<List<Tensor.Part>> evenly(List<Tensor.Part> parts, int shards) {
        if (shards > parts.size()) {
            throw new Refusal(parts.size() + " tensors cannot fill " + shards + " shards");
        }
        long total = parts.stream().mapToLong(this::bytes).sum();
        List<List<Tensor.Part>> groups = new ArrayList<>();
        long before = 0;
        for (int i = 0; i < parts.size(); i++) {
            boolean mustOpen = parts.size() - i == shards - groups.size();
            boolean mayOpen = groups.size() < shards && before >= total * groups.size() / shards;
            if (mustOpen || mayOpen) {
                groups.add(new ArrayList<>());
            }
            groups.getLast().add(parts.get(i));
            before += bytes(parts.get(i));
        }
        return groups;
    }

    private long bytes(Tensor.Part part) {
        return Math.multiplyExact(part.elements(), dtype.bytes());
    }

    /** As the safetensors library writes it: tensors by name, the header padded with blanks to a multiple of 8. */
    private CheckpointFile safetensors(Path path, List<Tensor.Part> parts) {
        StringBuilder header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        List<Tensor.Part> byName = parts.stream()
                .sorted(Comparator.comparing(Tensor.Part::storedName))
                .toList();
        List<CheckpointFile.Placed> relative = new ArrayList<>();
        long size = 0;
        for (Tensor.Part part : byName) {
            String dimensions = part.isVector() ? "" + part.columns() : part.rows() + "," + part.columns();
            header.append(",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}"
                    .formatted(part.storedName(), dtype, dimensions, size, size + bytes(part)));
            relative.add(new CheckpointFile.Placed(part, size, bytes(part)));
            size += bytes(part);
        }
        header.append('}');
        header.append(" ".repeat(-header.length() & 7));
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer start = ByteBuffer.allocate(8 + json.length).order(ByteOrder.LITTLE_ENDIAN);
        start.putLong(json.length).put(json);
        int dataStart = start.capacity();
        List<CheckpointFile.Placed> placed = relative.stream()
                .map(tensor -> new CheckpointFile.Placed(tensor.part(), dataStart + tensor.at(), tensor.size()))
                .toList();
        return new CheckpointFile(
                path, dataStart + size, List.of(new CheckpointFile.Bytes(0, start.array())), placed, crcs -> List.of());
    }

    private String index(Map<String, String> weightMap) {
        long elements = parts().stream().mapToLong(Tensor.Part::elements).sum();
        List<String> entries = weightMap.entrySet().stream()
                .map(entry -> "    \"" + entry.getKey() + "\": \"" + entry.getValue() + "\"")
                .toList();
        return """
            {
              "metadata": {
                "total_parameters": %d,
                "total_size": %d
              },
              "weight_map": {
            %s
              }
            }
            """.formatted(elements, Math.multiplyExact(elements, dtype.bytes()), String.join(",\n", entries));
    }

    private static CheckpointFile text(Path folder, String name, String content) {
        return CheckpointFile.of(folder.resolve(name), content.getBytes(StandardCharsets.UTF_8));
    }
}
