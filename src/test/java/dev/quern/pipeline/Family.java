package dev.quern.pipeline;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A tiny model of one family, as the transformers library saves it, and what llama.cpp's converter makes of it
 * (scripts/make-family-fixtures). The values follow from each tensor's name, so the checkpoint is written here.
 */
public record Family(String name, JsonNode recorded) {
    private static final Path FOLDER = Path.of("test-data/families");
    private static final JsonMapper JSON = JsonMapper.builder().build();

    /** Every recorded family. */
    public static List<Family> all() {
        try (Stream<Path> files = Files.list(FOLDER)) {
            return files.filter(file -> file.toString().endsWith(".json"))
                    .sorted()
                    .map(file -> of(file.getFileName().toString().replace(".json", "")))
                    .toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    public static Family of(String name) {
        return new Family(name, JSON.readTree(FOLDER.resolve(name + ".json").toFile()));
    }

    /** Rows of its embedding. */
    public int vocabularySize() {
        JsonNode config = recorded.get("config");
        JsonNode text = config.has("text_config") ? config.get("text_config") : config;
        return (text.has("padded_vocab_size") ? text.get("padded_vocab_size") : text.get("vocab_size")).asInt();
    }

    /** Which of test-data/families/tokenizers it has. */
    public String tokenizer() {
        return recorded.get("tokenizer").asString();
    }

    /** Writes the checkpoint, tokenizer and all; answers its folder, whose name the recorded metadata has. */
    public Path write(Path parent) throws IOException {
        Path folder = Files.createDirectory(parent.resolve("tiny-" + name));
        Files.writeString(folder.resolve("config.json"), recorded.get("config").toString());
        Files.write(folder.resolve("model.safetensors"), safetensors());
        for (Map.Entry<String, JsonNode> file : recorded.path("files").properties()) {
            Path path = folder.resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.writeString(path, file.getValue().toString());
        }
        try (Stream<Path> files = Files.list(FOLDER.resolve("tokenizers").resolve(tokenizer()))) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        return folder;
    }

    private byte[] safetensors() {
        ObjectNode header = JSON.createObjectNode();
        header.putObject("__metadata__").put("format", "pt");
        List<byte[]> data = new ArrayList<>();
        int at = 0;
        for (JsonNode tensor : recorded.get("tensors")) {
            String tensorName = tensor.get(0).asString();
            String dtype = tensor.get(1).asString();
            int count = 1;
            for (JsonNode dim : tensor.get(2)) {
                count *= dim.asInt();
            }
            byte[] bytes = bytes(tensorName, dtype, count, tensor.get(2).size() == 1);
            if (tensor.size() > 3) {
                Arrays.fill(bytes, (byte) 0);
            }
            ObjectNode entry = header.putObject(tensorName);
            entry.put("dtype", dtype);
            entry.set("shape", tensor.get(2));
            ArrayNode offsets = entry.putArray("data_offsets");
            offsets.add(at).add(at + bytes.length);
            at += bytes.length;
            data.add(bytes);
        }
        byte[] text = header.toString().getBytes(StandardCharsets.UTF_8);
        int padded = (text.length + 7) / 8 * 8;
        ByteBuffer file = ByteBuffer.allocate(8 + padded + at).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(padded).put(text);
        while (file.position() < 8 + padded) {
            file.put((byte) ' ');
        }
        data.forEach(file::put);
        return file.array();
    }

    /** A tensor as the checkpoint has it. */
    public static byte[] bytes(String name, String dtype, int count, boolean vector) {
        float[] values = values(name, count, vector);
        int width = switch (dtype) {
            case "F32" -> 4;
            case "U8" -> 1;
            default -> 2;
        };
        ByteBuffer bytes = ByteBuffer.allocate(count * width).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            switch (dtype) {
                case "F32" -> bytes.putFloat(value);
                case "F16" -> bytes.putShort(Float.floatToFloat16(value));
                case "BF16" -> {
                    int bits = Float.floatToRawIntBits(value);
                    bytes.putShort((short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16));
                }
                default -> {
                    int code = (int) Math.floorMod((long) Math.floor(value * 1000f), 256L);
                    bytes.put((byte) (name.endsWith("_scales") ? code % 8 + 118 : code));
                }
            }
        }
        return bytes.array();
    }

    /** As the script's function of that name. */
    private static float[] values(String name, int count, boolean vector) {
        long seed = 0xCBF29CE484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            seed = (seed ^ (b & 0xFF)) * 0x100000001B3L;
        }
        boolean aroundOne = vector && name.endsWith(".weight");
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            long z = seed + (i + 1) * 0x9E3779B97F4A7C15L;
            z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
            z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
            z ^= z >>> 31;
            float uniform = ((z >>> 40) * 0x1p-24f - 0.5f) * 0.2f;
            values[i] = aroundOne ? uniform + 1 : uniform;
        }
        return values;
    }

    @Override
    public String toString() {
        return name;
    }
}
