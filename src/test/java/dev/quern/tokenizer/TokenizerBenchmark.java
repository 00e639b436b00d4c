package dev.quern.tokenizer;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.gguf.GgufWriter;
import dev.quern.io.OutputFile;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Text to ids on one thread, Quern's tokenizers and llama_tokenize in one process, in MB a second (scripts/bench
 * tokenize). Arguments: folders of checkpoints, whose vocabularies are then used instead of the test's small one.
 */
final class TokenizerBenchmark {
    private static final int ROUNDS = 5;

    private TokenizerBenchmark() {}

    public static void main(String[] folders) throws IOException {
        byte[] text = text();
        System.out.printf("%-28s %10s %10s %12s %8s%n", "vocabulary", "tokens", "Quern MB/s", "llama.cpp", "ratio");
        for (String name : List.of("gpt-2", "llama-bpe", "qwen2", "gpt-4o", "deepseek-v3", "starcoder")) {
            if (folders.length == 0) {
                measure(name, small(name), text);
            }
        }
        for (String folder : folders) {
            measure(
                    String.valueOf(Path.of(folder).getFileName()),
                    HuggingFaceVocabulary.read(
                            Path.of(folder),
                            new HuggingFaceVocabulary.Request(
                                    HuggingFaceVocabulary.LLAMA, OptionalLong.empty(), Optional.empty()),
                            System.err::println),
                    text);
        }
    }

    /** Prose, then lines of many scripts. */
    private static byte[] text() throws IOException {
        StringBuilder out = new StringBuilder();
        out.append(Files.readString(Path.of("test-data/text/heldout.txt")));
        out.append(Files.readString(Path.of("test-data/text/calibration.txt")));
        JsonMapper.shared()
                .readTree(Path.of("test-data/tokenizer/ids/lines.json"))
                .forEach(line -> out.append(line.stringValue()).append('\n'));
        return out.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static Vocabulary small(String pre) throws IOException {
        Path folder = Files.createTempDirectory("tokenizer-benchmark");
        Path file = folder.resolve("tokenizer.json");
        try {
            ObjectNode whole = JsonMapper.shared().createObjectNode();
            ObjectNode model =
                    (ObjectNode) JsonMapper.shared().readTree(Path.of("test-data/tokenizer/ids/byte-level.json"));
            whole.set("model", model.put("type", "BPE"));
            Files.write(file, JsonMapper.shared().writeValueAsBytes(whole));
            return HuggingFaceVocabulary.read(
                    folder,
                    new HuggingFaceVocabulary.Request(
                            List.of(VocabularyKind.GPT2), OptionalLong.empty(), Optional.of(pre)),
                    System.err::println);
        } finally {
            Files.deleteIfExists(file);
            Files.delete(folder);
        }
    }

    private static void measure(String name, Vocabulary vocabulary, byte[] text) throws IOException {
        Path file = Files.createTempFile("tokenizer-benchmark", ".gguf");
        try {
            GgufMetadata metadata = new GgufMetadata().put("general.architecture", GgufValue.text("llama"));
            vocabulary.writeTo(metadata);
            GgufLayout layout = GgufLayout.plan(metadata, List.of());
            try (GgufWriter writer =
                    new GgufWriter(layout, OutputFile.create(file, layout.fileSize(), List.of(), true))) {
                writer.commit();
            }
            Tokenizer ours = Tokenizer.of(metadata);
            try (LlamaModel theirs = LlamaCpp.loadVocabulary(file)) {
                long[] best = {Long.MAX_VALUE, Long.MAX_VALUE};
                int[] found = {};
                int[] expected = {};
                for (int round = 0; round < ROUNDS; round++) {
                    long begun = System.nanoTime();
                    found = ours.encode(text, false);
                    long between = System.nanoTime();
                    expected = theirs.tokenize(text, false, false);
                    best[0] = Math.min(best[0], between - begun);
                    best[1] = Math.min(best[1], System.nanoTime() - between);
                }
                System.out.printf(
                        "%-28s %10d %10.2f %12.2f %8.1f%s%n",
                        name,
                        found.length,
                        text.length * 1e3 / best[0],
                        text.length * 1e3 / best[1],
                        (double) best[1] / best[0],
                        Arrays.equals(found, expected) ? "" : "  ids differ");
            }
        } finally {
            Files.deleteIfExists(file);
        }
    }
}
