package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufFile;
import dev.quern.io.InputException;
import dev.quern.quantization.FileType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Holds Quern's file against the one that llama_model_quantize writes. */
final class Identity {
    private Identity() {}

    /** Both write the same bytes. The two files are removed again. */
    static void same(Path in, FileType type, Request request) throws IOException {
        Path theirs = in.resolveSibling("theirs.gguf");
        Path ours = in.resolveSibling("ours.gguf");
        request.theirs(in, type, theirs);
        request.ours(in, type, ours);
        if (Files.mismatch(theirs, ours) >= 0) {
            // Before the bytes, what a reader can make something of.
            assertThat(tensors(ours)).as("tensors as %s", type).containsExactlyEntriesOf(tensors(theirs));
            assertThat(keys(ours)).as("keys as %s", type).containsExactlyEntriesOf(keys(theirs));
            assertThat(ours).as("as %s", type).hasSameBinaryContentAs(theirs);
        }
        Files.delete(theirs);
        Files.delete(ours);
    }

    /** Both refuse, and Quern leaves nothing behind. */
    static void refused(Path in, FileType type, Request request, String theirMessage, String ourMessage) {
        Path theirs = in.resolveSibling("theirs.gguf");
        Path ours = in.resolveSibling("ours.gguf");
        assertThatThrownBy(() -> request.theirs(in, type, theirs)).hasMessageContaining(theirMessage);
        assertThatThrownBy(() -> request.ours(in, type, ours))
                .isInstanceOf(InputException.class)
                .hasMessageContaining(ourMessage);
        assertThat(ours).doesNotExist();
    }

    private static Map<String, String> tensors(Path file) {
        Map<String, String> tensors = new LinkedHashMap<>();
        try (GgufFile gguf = GgufFile.open(file)) {
            gguf.tensors()
                    .forEach((name, tensor) -> tensors.put(
                            name,
                            tensor.type() + " " + tensor.shape() + " "
                                    + java.util.Arrays.hashCode(
                                            gguf.region(name).bytes(0, Math.toIntExact(tensor.bytes())))));
        }
        return tensors;
    }

    private static Map<String, String> keys(Path file) {
        Map<String, String> keys = new LinkedHashMap<>();
        try (GgufFile gguf = GgufFile.open(file)) {
            gguf.metadata().asMap().forEach((key, value) -> keys.put(key, value.type() + " " + value));
        }
        return keys;
    }
}
