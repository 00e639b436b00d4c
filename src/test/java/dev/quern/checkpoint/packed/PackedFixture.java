package dev.quern.checkpoint.packed;

import dev.quern.checkpoint.safetensors.SafetensorsWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A checkpoint in memory, to be changed and written: safetensors and config.json. */
public final class PackedFixture {
    private static final JsonMapper MAPPER = JsonMapper.builder().build();

    private record Tensor(String dtype, String shape, byte[] bytes) {}

    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private ObjectNode config = MAPPER.createObjectNode();

    public static PackedFixture of(String name) {
        Path folder = Path.of("test-data/packed", name);
        PackedFixture fixture = new PackedFixture();
        fixture.config =
                (ObjectNode) MAPPER.readTree(folder.resolve("config.json").toFile());
        return fixture.add(folder.resolve("model.safetensors"), tensor -> true);
    }

    public static PackedFixture empty() {
        return new PackedFixture();
    }

    public PackedFixture add(Path file, java.util.function.Predicate<String> wanted) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            int length =
                    (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
            JsonNode header = MAPPER.readTree(new String(bytes, 8, length, StandardCharsets.UTF_8));
            header.properties().forEach(entry -> {
                if (!entry.getKey().equals("__metadata__") && wanted.test(entry.getKey())) {
                    JsonNode value = entry.getValue();
                    int begin = 8 + length + value.get("data_offsets").get(0).intValue();
                    int end = 8 + length + value.get("data_offsets").get(1).intValue();
                    put(
                            entry.getKey(),
                            value.get("dtype").stringValue(),
                            value.get("shape").toString(),
                            Arrays.copyOfRange(bytes, begin, end));
                }
            });
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public PackedFixture put(String name, String dtype, String shape, byte[] bytes) {
        tensors.put(name, new Tensor(dtype, shape, bytes));
        return this;
    }

    public PackedFixture remove(String name) {
        Objects.requireNonNull(tensors.remove(name), name);
        return this;
    }

    public byte[] bytes(String name) {
        return Objects.requireNonNull(tensors.get(name), name).bytes();
    }

    /** The same bytes under another type and shape. */
    public PackedFixture retype(String name, String dtype, String shape) {
        return put(name, dtype, shape, bytes(name));
    }

    public PackedFixture rename(String name, String newName) {
        Tensor tensor = Objects.requireNonNull(tensors.remove(name), name);
        tensors.put(newName, tensor);
        return this;
    }

    public PackedFixture setInt(String name, int index, int value) {
        ByteBuffer.wrap(bytes(name)).order(ByteOrder.LITTLE_ENDIAN).putInt(4 * index, value);
        return this;
    }

    public PackedFixture setLong(String name, int index, long value) {
        ByteBuffer.wrap(bytes(name)).order(ByteOrder.LITTLE_ENDIAN).putLong(8 * index, value);
        return this;
    }

    public PackedFixture configure(Consumer<ObjectNode> change) {
        change.accept(config);
        return this;
    }

    /** Changes quantization_config. */
    public PackedFixture quantization(Consumer<ObjectNode> change) {
        change.accept((ObjectNode) config.get("quantization_config"));
        return this;
    }

    public Path write(Path folder) {
        StringBuilder header = new StringBuilder("{");
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        tensors.forEach((name, tensor) -> {
            header.append(header.length() > 1 ? "," : "");
            int begin = data.size();
            data.writeBytes(tensor.bytes());
            header.append(SafetensorsWriter.entry(name, tensor.dtype(), tensor.shape(), begin, data.size()));
        });
        try {
            Files.createDirectories(folder);
            Files.write(
                    folder.resolve("model.safetensors"),
                    SafetensorsWriter.file(
                            header.append("}").toString().getBytes(StandardCharsets.UTF_8), data.toByteArray()));
            Files.writeString(folder.resolve("config.json"), config.toString());
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
