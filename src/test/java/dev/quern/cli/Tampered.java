package dev.quern.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Copies of the bundled checkpoints with something wrong. */
final class Tampered {
    static final Path HUGGING_FACE = Path.of("test-data/models/tolstoy-4m");
    static final Path META = Path.of("test-data/models/tolstoy-4m-meta");
    static final Path TEXT = Path.of("test-data/text/heldout.txt");

    private Tampered() {}

    static Path copy(Path model, Path folder) throws IOException {
        Path copy = Files.createDirectories(folder.resolve(model.getFileName()));
        try (Stream<Path> files = Files.list(model)) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        return copy;
    }

    static void edit(Path file, UnaryOperator<String> change) throws IOException {
        String before = Files.readString(file);
        String after = change.apply(before);
        if (after.equals(before)) {
            throw new IllegalStateException("the edit of " + file + " changes nothing");
        }
        Files.writeString(file, after);
    }

    static void truncate(Path file, long bytes) throws IOException {
        Files.write(file, Arrays.copyOf(Files.readAllBytes(file), (int) (Files.size(file) - bytes)));
    }

    /** Changes a safetensors header; the data behind it stays. */
    static void editHeader(Path file, UnaryOperator<ObjectNode> change) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        int length = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        JsonMapper mapper = JsonMapper.builder().build();
        ObjectNode header = (ObjectNode) mapper.readTree(new String(bytes, 8, length, StandardCharsets.UTF_8));
        byte[] changed = change.apply(header).toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer out = ByteBuffer.allocate(8 + changed.length + bytes.length - 8 - length)
                .order(ByteOrder.LITTLE_ENDIAN);
        out.putLong(changed.length).put(changed).put(bytes, 8 + length, bytes.length - 8 - length);
        Files.write(file, out.array());
    }

    /** Puts a half-precision value at an element of a tensor of a safetensors file. */
    static void setHalf(Path file, String tensor, int element, float value) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) buffer.getLong(0);
        long begin = JsonMapper.builder()
                .build()
                .readTree(new String(bytes, 8, length, StandardCharsets.UTF_8))
                .get(tensor)
                .get("data_offsets")
                .get(0)
                .asLong();
        buffer.putShort((int) (8 + length + begin + 2L * element), Float.floatToFloat16(value));
        Files.write(file, bytes);
    }
}
