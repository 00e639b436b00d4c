package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The list of the files that vocabularies are read from is whole, and has no other. */
class TokenizerFileTest {
    private static final Path SOURCES = Path.of("src/main/java/dev/quern/tokenizer");

    /** YQ== is a, Yg== is b, YWI= is ab. */
    private static final String RANKS = "YQ== 0\nYg== 1\nYWI= 2\n";

    private static final String TOKENIZER =
            "{\"added_tokens\": [], \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0,"
                    + " \"b\": 1}, \"merges\": []}}";
    private static final String TEKKEN = "{\"config\": {\"default_vocab_size\": 6, \"default_num_special_tokens\": 3,"
            + " \"version\": \"v3\"}, \"special_tokens\": [{\"rank\": 0, \"token_str\": \"<unk>\"}, {\"rank\": 1,"
            + " \"token_str\": \"<s>\"}, {\"rank\": 2, \"token_str\": \"</s>\"}], \"vocab\": [{\"rank\": 0,"
            + " \"token_bytes\": \"YQ==\"}, {\"rank\": 1, \"token_bytes\": \"Yg==\"}, {\"rank\": 2, \"token_bytes\":"
            + " \"YWI=\"}]}";
    private static final String ROLES = "{\"bos_token_id\": 0}";
    private static final String MORE = "additional_chat_templates/tools.jinja";

    @TempDir
    private Path folder;

    /**
     * A directory with the listed files alone gives the same vocabulary, and without any of them another one or none, so
     * all are read.
     */
    @Test
    void whatIsReadIsListed() throws IOException {
        Set<String> read = new HashSet<>();
        Map<String, String> byteLevel = new LinkedHashMap<>(Map.of(
                "tokenizer.json",
                TOKENIZER,
                "tokenizer_config.json",
                "{\"add_bos_token\": true}",
                "config.json",
                ROLES,
                "chat_template.jinja",
                "default",
                MORE,
                "tools"));
        read.addAll(check(VocabularyKind.GPT2, byteLevel));
        read.addAll(check(
                VocabularyKind.GPT2,
                Map.of(
                        "vocab.json",
                        "{\"a\": 0, \"b\": 1, \"ab\": 2}",
                        "merges.txt",
                        "a b\n",
                        "added_tokens.json",
                        "{\"<x>\": 3}",
                        "tokenizer_config.json",
                        "{\"tokenizer_class\": \"GPT2Tokenizer\", \"add_bos_token\": true}",
                        "chat_template.json",
                        "{\"chat_template\": \"t\"}")));
        read.addAll(check(VocabularyKind.WORDPIECE, Map.of("vocab.txt", "[UNK]\nhel\n##lo\n", "config.json", ROLES)));
        read.addAll(check(VocabularyKind.QWEN, Map.of("qwen.tiktoken", RANKS, "config.json", ROLES)));
        read.addAll(check(VocabularyKind.TEKKEN, Map.of("tekken.json", TEKKEN, "chat_template.jinja", "t")));
        read.addAll(models());
        // Read where there is no Hugging Face's configuration, by whoever opens the checkpoint.
        read.add("tokenizer.model.v3");
        assertThat(read)
                .containsExactlyInAnyOrderElementsOf(Stream.concat(
                                Stream.of(MORE),
                                Stream.of(TokenizerFile.values()).map(TokenizerFile::text))
                        .toList());
    }

    private Set<String> models() throws IOException {
        Path pieces = Path.of("test-data/models/tolstoy-4m/tokenizer.model");
        Path unigram = Path.of("test-data/tokenizer/ids/unigram.model");
        Path one = Files.createDirectory(folder.resolve("pieces"));
        Path two = Files.createDirectory(folder.resolve("unigram"));
        Files.copy(pieces, one.resolve("tokenizer.model"));
        Files.copy(unigram, two.resolve("spiece.model"));
        Path three = Files.createDirectory(folder.resolve("xlm-roberta"));
        Files.copy(unigram, three.resolve("sentencepiece.bpe.model"));
        Set<String> read = check(VocabularyKind.SENTENCEPIECE, one);
        read.addAll(check(VocabularyKind.UNIGRAM, two));
        read.addAll(check(VocabularyKind.XLM_ROBERTA, three));
        return read;
    }

    private Set<String> check(VocabularyKind kind, Map<String, String> files) throws IOException {
        Path directory = Files.createTempDirectory(folder, "full");
        for (Map.Entry<String, String> file : files.entrySet()) {
            Path path = directory.resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.writeString(path, file.getValue());
        }
        return check(kind, directory);
    }

    /** @return the names of the directory's files, all of which are read */
    private Set<String> check(VocabularyKind kind, Path directory) throws IOException {
        Files.writeString(directory.resolve("special_tokens_map.json"), "{}");
        Files.writeString(directory.resolve("notes.json"), "{}");
        Vocabulary whole = read(kind, directory);
        List<Path> listed = TokenizerFile.all(directory);
        assertThat(read(kind, copy(directory, listed)))
                .usingRecursiveComparison()
                .isEqualTo(whole);
        Set<String> names = new HashSet<>();
        for (Path file : listed) {
            String name = directory.relativize(file).toString();
            names.add(name);
            Path without = copy(
                    directory,
                    listed.stream().filter(other -> !other.equals(file)).toList());
            assertThat(isOther(kind, without, whole)).as(name).isTrue();
        }
        return names;
    }

    private static boolean isOther(VocabularyKind kind, Path directory, Vocabulary whole) {
        Vocabulary found;
        try {
            found = read(kind, directory);
        } catch (InputException e) {
            return true;
        }
        return !found.settings().asMap().equals(whole.settings().asMap()) || found.size() != whole.size();
    }

    private Path copy(Path directory, List<Path> files) throws IOException {
        Path copy = Files.createTempDirectory(folder, "listed");
        for (Path file : files) {
            Path target = copy.resolve(directory.relativize(file).toString());
            Files.createDirectories(target.getParent());
            Files.copy(file, target);
        }
        return copy;
    }

    private static Vocabulary read(VocabularyKind kind, Path directory) {
        boolean byteLevel = kind == VocabularyKind.GPT2;
        return HuggingFaceVocabulary.read(
                directory,
                new HuggingFaceVocabulary.Request(
                        List.of(kind), OptionalLong.empty(), byteLevel ? Optional.of("gpt-2") : Optional.empty()),
                notice -> {});
    }

    /** A reader that names a file by itself would read one that the list may not have. */
    @Test
    void noReaderNamesAFileByItself() throws IOException {
        Pattern named = Pattern.compile(
                "resolve(?:Sibling)?\\(\\s*\"|\"(?!tokenizer\\.ggml)[\\w.]+\\.(?:json|jinja|model|tiktoken|txt|v3)\"");
        try (Stream<Path> sources = Files.list(SOURCES)) {
            for (Path source : sources.sorted().toList()) {
                boolean names = named.matcher(Files.readString(source)).find();
                assertThat(names).as(source.toString()).isEqualTo(source.endsWith("TokenizerFile.java"));
            }
        }
    }

    @Test
    void foldersAreNoFiles() throws IOException {
        Files.createDirectory(folder.resolve("tokenizer.json"));
        Files.createDirectories(folder.resolve("additional_chat_templates/folder.jinja"));
        assertThat(TokenizerFile.all(folder)).isEmpty();
    }
}
