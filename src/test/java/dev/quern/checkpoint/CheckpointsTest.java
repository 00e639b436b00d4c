package dev.quern.checkpoint;

import static dev.quern.checkpoint.safetensors.SafetensorsWriter.entry;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.safetensors.SafetensorsWriter;
import dev.quern.io.InputException;
import dev.quern.tensor.Shape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What lies in a directory, and what is made of it. */
class CheckpointsTest {
    private static final String INDEX = "model.safetensors.index.json";
    private static final String FIRST = "model-00001-of-00002.safetensors";
    private static final String SECOND = "model-00002-of-00002.safetensors";

    @TempDir
    Path root;

    private Path directory = Path.of(".");

    @BeforeEach
    void makeDirectory() throws IOException {
        directory = Files.createDirectory(root.resolve("model"));
    }

    private Path put(String name, String text) {
        return Hostile.write(directory, name, text.getBytes(StandardCharsets.UTF_8));
    }

    private Path put(String name, byte[] bytes) {
        return Hostile.write(directory, name, bytes);
    }

    private static byte[] weights(String tensor) {
        return SafetensorsWriter.file("{" + entry(tensor, "F32", "[1]", 0, 4) + "}", 4);
    }

    private void putShards(String index) {
        put("config.json", "{}");
        put(FIRST, weights("a"));
        put(SECOND, weights("b"));
        put(INDEX, index);
    }

    private static String map(String... entries) {
        return "{\"metadata\":{\"total_size\":8},\"weight_map\":{" + String.join(",", entries) + "}}";
    }

    private static String in(String tensor, String shard) {
        return "\"" + tensor + "\":\"" + shard + "\"";
    }

    private void refused(String message) {
        refused(directory, directory + ": " + message);
    }

    private static void refused(Path source, String message) {
        Hostile.thrownBy(() -> Checkpoints.open(source).close())
                .isInstanceOf(InputException.class)
                .hasMessage(message);
    }

    // Directories

    @Test
    void oneFile() {
        put("config.json", "{}");
        put("model.safetensors", weights("a"));
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.tensors()).containsOnlyKeys("a");
            assertThat(checkpoint.open("a", Shape.of(1)).info().name()).isEqualTo("a");
        }
    }

    @Test
    void aFileOfAnotherName() {
        put("config.json", "{}");
        put("weights.safetensors", weights("a"));
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.tensors()).containsOnlyKeys("a");
        }
    }

    @Test
    void modelFilesGoBeforeOthers() {
        put("config.json", "{}");
        put("consolidated.safetensors", weights("x"));
        put("model.safetensors", weights("a"));
        put("pytorch_model.bin", weights("y"));
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.tensors()).containsOnlyKeys("a");
        }
    }

    @Test
    void torchFiles() throws IOException {
        put("config.json", "{}");
        Files.copy(Path.of("test-data/torch/types.pt"), directory.resolve("pytorch_model.bin"));
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.layout()).isEqualTo(Layout.HUGGING_FACE);
            assertThat(checkpoint.tensors().firstEntry().getKey()).isEqualTo("f64");
        }
    }

    @Test
    void unreadableTypesAreRefusedWhenAskedFor() throws IOException {
        put("config.json", "{}");
        Path file = directory.resolve("pytorch_model.bin");
        Files.copy(Path.of("test-data/torch/unreadable-types.pt"), file);
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.unreadable()).containsEntry("complex", "complex64");
            Hostile.thrownBy(() -> checkpoint.open("complex", Shape.of(1)))
                    .hasMessage(file + ": tensor \"complex\": cannot be read: it is of type complex64");
        }
    }

    @Test
    void shardsWithoutIndex() {
        put("config.json", "{}");
        put(SECOND, weights("a"));
        put(FIRST, weights("b"));
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.tensors().keySet()).containsExactly("b", "a");
        }
        try (Checkpoint checkpoint = Checkpoints.open(directory.resolve(SECOND))) {
            assertThat(checkpoint.tensors()).hasSize(2);
        }
    }

    @Test
    void aShardIsMissing() {
        put("config.json", "{}");
        put(SECOND, weights("a"));
        refused("the shard \"" + FIRST + "\" is missing");
    }

    @Test
    void aTensorInTwoFiles() {
        put("config.json", "{}");
        put(FIRST, weights("a"));
        put(SECOND, weights("a"));
        refused(directory, directory.resolve(SECOND) + ": tensor \"a\": is also in " + directory.resolve(FIRST));
    }

    @Test
    void noConfig() {
        put("model.safetensors", weights("a"));
        refused("no config.json beside the weights");
        refused(directory.resolve("model.safetensors"), directory + ": no config.json beside the weights");
    }

    @ParameterizedTest
    @CsvSource({
        "model.gguf, give the GGUF file itself as the source",
        "tf_model.h5, 'TensorFlow and Flax weights are not read; look for a safetensors version'",
        "__0_0.distcp, 'this is a torch.distributed checkpoint; convert it first: "
                + "python -m torch.distributed.checkpoint.format_utils dcp_to_torch'",
        "readme.txt, give the directory that holds config.json and the weights"
    })
    void noWeights(String found, String hint) {
        put("config.json", "{}");
        put(found, "x");
        Hostile.thrownBy(() -> Checkpoints.open(directory))
                .hasMessage(
                        directory + ": no weight files (safetensors, pytorch_model.bin or consolidated.*.pth) in it; "
                                + (found.startsWith("_")
                                        ? "found \"" + found + "\", \"config.json\""
                                        : "found \"config.json\", \"" + found + "\""))
                .satisfies(e -> assertThat(((InputException) e).hint()).isEqualTo(hint));
    }

    @Test
    void nothing() {
        refused("no weight files (safetensors, pytorch_model.bin or consolidated.*.pth) in it; found nothing");
        refused(root.resolve("nowhere"), root.resolve("nowhere") + ": no such file or directory");
    }

    @Test
    void adapter() {
        put("adapter_config.json", "{}");
        put("adapter_model.safetensors", weights("a"));
        refused("is a LoRA adapter, not a model");
    }

    // Files

    @Test
    void filesThatAreNoWeights() {
        Path config = put("config.json", "{}");
        refused(config, config + ": is no weight file");
        Path gguf = put("model.gguf", "GGUF\3\0\0\0");
        refused(gguf, gguf + ": is a GGUF file, not a checkpoint");
        Path pointer = put("model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
        refused(pointer, pointer + ": expected safetensors or a file of torch.save, found a file that is text");
        Path h5 = put("model.bin", new byte[] {(byte) 0x89, 'H', 'D', 'F', '\r', '\n'});
        refused(h5, h5 + ": expected safetensors or a file of torch.save, found a file that is an HDF5 file (.h5)");
    }

    @Test
    void bytesDecideNotNames() {
        put("config.json", "{}");
        Path named = put("pytorch_model.bin", weights("a"));
        try (Checkpoint checkpoint = Checkpoints.open(named)) {
            assertThat(checkpoint.tensors()).containsOnlyKeys("a");
        }
    }

    // Indexes

    @Test
    void index() {
        putShards(map(in("a", FIRST), in("b", SECOND)));
        for (Path source : new Path[] {directory, directory.resolve(INDEX), directory.resolve(FIRST)}) {
            try (Checkpoint checkpoint = Checkpoints.open(source)) {
                assertThat(checkpoint.tensors().keySet()).containsExactly("a", "b");
                assertThat(checkpoint.files()).hasSize(2);
                assertThat(checkpoint.notes()).isEmpty();
            }
        }
    }

    @Test
    void filesThatTheIndexLeavesOutAreNoted() {
        putShards(map(in("a", FIRST), in("b", SECOND)));
        put("model-00001-of-00003.safetensors", weights("old"));
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.tensors()).containsOnlyKeys("a", "b");
            assertThat(checkpoint.notes())
                    .containsExactly("not in the index, so not used: \"model-00001-of-00003.safetensors\"");
        }
    }

    @Test
    void indexAgainstShards() {
        Path index = directory.resolve(INDEX);
        putShards(map(in("a", FIRST), in("b", FIRST)));
        refused(directory, index + ": tensor \"b\": is not in " + FIRST + ", where the index has it");
        putShards(map(in("a", FIRST), in("b", SECOND), in("c", SECOND)));
        refused(directory, index + ": tensor \"c\": is not in " + SECOND + ", where the index has it");
        put(SECOND, weights("c"));
        putWeightsOfTwo();
        refused(directory, directory.resolve(FIRST) + ": tensor \"extra\": is not listed in " + INDEX);
    }

    private void putWeightsOfTwo() {
        put(INDEX, map(in("a", FIRST), in("c", SECOND)));
        put(
                FIRST,
                SafetensorsWriter.file(
                        "{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("extra", "F32", "[1]", 4, 8) + "}", 8));
    }

    @Test
    void aTensorInTwoShardsOfAnIndex() {
        putShards(map(in("a", FIRST), in("b", SECOND)));
        put(
                SECOND,
                SafetensorsWriter.file(
                        "{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("b", "F32", "[1]", 4, 8) + "}", 8));
        refused(directory, directory.resolve(SECOND) + ": tensor \"a\": is listed in " + INDEX + " under " + FIRST);
    }

    @Test
    void listedShardThatIsNotThere() {
        putShards(map(in("a", FIRST), in("b", "model-00003-of-00003.safetensors")));
        refused(
                directory,
                directory.resolve(INDEX) + ": the shard model-00003-of-00003.safetensors is listed but not there");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"../x.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..", "x.py", "a\\\\b.bin", ""})
    void shardNamesThatLeadElsewhere(String name) {
        putShards(map(in("a", name)));
        refused(
                directory,
                directory.resolve(INDEX)
                        + ": weight_map: \"a\": expected the plain name of a .safetensors or .bin file, found \""
                        + name + "\"");
    }

    @Test
    void shardThatIsALinkOutOfTheDirectory() throws IOException {
        putShards(map(in("a", FIRST), in("b", SECOND)));
        Path elsewhere = Hostile.write(root, "elsewhere.safetensors", weights("b"));
        Files.delete(directory.resolve(SECOND));
        Files.createSymbolicLink(directory.resolve(SECOND), elsewhere);
        refused(
                directory,
                directory.resolve(INDEX) + ": the shard " + SECOND + " is a symbolic link out of the directory");
    }

    @Test
    void shardsInTheHuggingFaceCache() throws IOException {
        Path snapshot = Files.createDirectories(root.resolve("models--x/snapshots/0123"));
        Path blobs = Files.createDirectories(root.resolve("models--x/blobs"));
        Hostile.write(blobs, "aa", weights("a"));
        Hostile.write(snapshot, "config.json", "{}".getBytes(StandardCharsets.UTF_8));
        Hostile.write(snapshot, INDEX, map(in("a", "model.safetensors")).getBytes(StandardCharsets.UTF_8));
        Files.createSymbolicLink(snapshot.resolve("model.safetensors"), Path.of("../../blobs/aa"));
        try (Checkpoint checkpoint = Checkpoints.open(snapshot)) {
            assertThat(checkpoint.tensors()).containsOnlyKeys("a");
        }
    }

    @Test
    void shardThatIsADirectory() throws IOException {
        putShards(map(in("a", FIRST), in("b", SECOND)));
        Files.delete(directory.resolve(SECOND));
        Files.createDirectory(directory.resolve(SECOND));
        refused(directory, directory.resolve(SECOND) + ": expected a file, found a directory");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        []|expected a JSON object
        {}|weight_map: expected an object that lists tensors
        {"weight_map":{}}|weight_map: expected an object that lists tensors
        {"weight_map":[]}|weight_map: expected an object that lists tensors
        {"weight_map":{"a":1}}|weight_map: "a": expected a file name
        {"weight_map":{"a":"x.bin","a":"y.bin"}}|weight_map: "a": comes twice
        {"weight_map":{"a":"x.bin"},"weight_map":{"a":"x.bin"}}|weight_map: comes twice
        {"weight_map":{"a":"x.bin"}} {}|goes on after the JSON object has ended
        """)
    void indexesThatAreWrong(String index, String message) {
        putShards(index);
        refused(directory, directory.resolve(INDEX) + ": " + message);
    }

    @Test
    void totalSizeThatDiffers() {
        putShards("{\"metadata\":{\"total_size\":999999},\"weight_map\":{" + in("a", FIRST) + "," + in("b", SECOND)
                + "}}");
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.notes())
                    .singleElement()
                    .asString()
                    .startsWith(directory.resolve(INDEX) + ": total_size says 999999 bytes, the shards have ");
        }
    }

    @Test
    void shardThatIsAPipe() throws Exception {
        putShards(map(in("a", FIRST), in("b", SECOND)));
        Files.delete(directory.resolve(SECOND));
        assertThat(new ProcessBuilder("mkfifo", directory.resolve(SECOND).toString())
                        .start()
                        .waitFor())
                .isZero();
        refused(directory, directory.resolve(SECOND) + ": expected a regular file, found a device, pipe or socket");
    }

    // Mistral's layout

    private static final String MISTRAL =
            "{\"dim\":4,\"n_layers\":1,\"head_dim\":4,\"hidden_dim\":8,\"n_heads\":3,\"n_kv_heads\":1,"
                    + "\"norm_eps\":1e-5,\"rope_theta\":1000000.0,\"vocab_size\":2}";

    private static byte[] embeddings(String other) {
        return SafetensorsWriter.file(
                "{" + entry("tok_embeddings.weight", "BF16", "[2,4]", 0, 16) + "," + entry(other, "BF16", "[4]", 16, 24)
                        + "}",
                24);
    }

    @Test
    void mistral() {
        put("params.json", MISTRAL);
        put("consolidated.safetensors", embeddings("norm.weight"));
        for (Path source : new Path[] {directory, directory.resolve("consolidated.safetensors")}) {
            try (Checkpoint checkpoint = Checkpoints.open(source)) {
                assertThat(checkpoint.layout()).isEqualTo(Layout.META);
                assertThat(checkpoint.tensors()).containsOnlyKeys("norm.weight", "tok_embeddings.weight");
                assertThat(checkpoint.config().integer("head_dim")).hasValue(4);
                assertThat(checkpoint.config().integer("intermediate_size")).hasValue(8);
                assertThat(checkpoint.config().integer("max_position_embeddings"))
                        .hasValue(32_768);
            }
        }
    }

    @Test
    void mistralInShards() {
        put("params.json", MISTRAL);
        put("consolidated-00001-of-00002.safetensors", embeddings("norm.weight"));
        put("consolidated-00002-of-00002.safetensors", weights("layers.0.ffn_norm.weight"));
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.tensors())
                    .containsOnlyKeys("norm.weight", "tok_embeddings.weight", "layers.0.ffn_norm.weight");
        }
        put(
                "consolidated.safetensors.index.json",
                map(
                        in("norm.weight", "consolidated-00001-of-00002.safetensors"),
                        in("tok_embeddings.weight", "consolidated-00001-of-00002.safetensors"),
                        in("layers.0.ffn_norm.weight", "consolidated-00001-of-00002.safetensors")));
        refused(
                directory,
                directory.resolve("consolidated.safetensors.index.json")
                        + ": tensor \"layers.0.ffn_norm.weight\": is not in consolidated-00001-of-00002.safetensors,"
                        + " where the index has it");
    }

    @Test
    void mistralBesideHuggingFace() {
        put("params.json", MISTRAL);
        put("config.json", "{}");
        put("consolidated.safetensors", embeddings("norm.weight"));
        put("model.safetensors", weights("a"));
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.layout()).isEqualTo(Layout.HUGGING_FACE);
            assertThat(checkpoint.tensors()).containsOnlyKeys("a");
        }
    }

    // Size

    /** As many tensors as the largest mixtures of experts have: opened within a hostile file's second. */
    @Test
    void sixteenThousandTensors() {
        int shards = 64;
        StringBuilder index = new StringBuilder("{\"weight_map\":{");
        for (int shard = 0; shard < shards; shard++) {
            String file = "model-%05d-of-%05d.safetensors".formatted(shard + 1, shards);
            StringBuilder header = new StringBuilder("{");
            for (int i = 0; i < 250; i++) {
                String name = "model.layers." + shard + ".mlp.experts." + i + ".down_proj.weight";
                header.append(i == 0 ? "" : ",").append(entry(name, "BF16", "[1]", 2L * i, 2L * i + 2));
                index.append(shard + i == 0 ? "" : ",").append(in(name, file));
            }
            put(file, SafetensorsWriter.file(header.append('}').toString(), 500));
        }
        put("config.json", "{}");
        put(INDEX, index.append("}}").toString());
        assertThat(Hostile.bounded(() -> {
                    try (Checkpoint checkpoint = Checkpoints.open(directory)) {
                        assertThat(checkpoint.tensors()).hasSize(16_000);
                    }
                }))
                .isNull();
    }
}
