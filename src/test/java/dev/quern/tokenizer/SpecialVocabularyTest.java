package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class SpecialVocabularyTest {
    @TempDir
    private Path directory;

    /** Each case is a directory and the keys that gguf-py 0.19 writes for it (scripts/make-tokenizer-fixtures). */
    @TestFactory
    Stream<DynamicTest> keysAreThoseOfGgufPy() {
        JsonNode cases = JsonMapper.shared().readTree(Path.of("test-data/tokenizer/special-vocabulary.json"));
        assertThat(cases.size()).isGreaterThan(30);
        return cases.valueStream()
                .map(one -> DynamicTest.dynamicTest(one.get("name").stringValue(), () -> {
                    Path folder = Files.createTempDirectory(directory, "case");
                    for (Map.Entry<String, JsonNode> file : one.get("files").properties()) {
                        write(folder, file.getKey(), file.getValue().stringValue());
                    }
                    List<String> roles = one.get("roles")
                            .valueStream()
                            .map(JsonNode::stringValue)
                            .toList();
                    GgufMetadata out = new GgufMetadata();
                    new SpecialVocabulary(HuggingFaceFiles.in(folder), roles, 6, notice -> {}).writeTo(out);

                    GgufMetadata expected = new GgufMetadata();
                    one.get("keys")
                            .forEach(key -> expected.put(
                                    key.get(0).stringValue(), value(key.get(1).stringValue(), key.get(2))));
                    assertThat(new ArrayList<>(out.asMap().entrySet()))
                            .isEqualTo(new ArrayList<>(expected.asMap().entrySet()));
                }));
    }

    private static GgufValue value(String type, JsonNode value) {
        return switch (type) {
            case "UINT32" -> GgufValue.u32(value.longValue());
            case "BOOL" -> GgufValue.bool(value.booleanValue());
            case "STRING" -> GgufValue.text(value.stringValue());
            case "ARRAY" ->
                GgufValue.texts(value.valueStream().map(JsonNode::stringValue).toList());
            default -> throw new AssertionError(type);
        };
    }

    @Test
    void idsBeyondTheVocabularyAreNoticed() throws Exception {
        write(directory, "config.json", "{\"bos_token_id\": 1, \"pad_token_id\": 6}");
        List<String> notices = new ArrayList<>();
        new SpecialVocabulary(HuggingFaceFiles.in(directory), SpecialVocabulary.ROLES, 6, notices::add);
        assertThat(notices).containsExactly("special token pad: id 6 is left out, the vocabulary has 6 tokens");
    }

    @Test
    void negativeId() throws Exception {
        write(directory, "config.json", "{\"bos_token_id\": -1}");
        refused("config.json", "special token bos: expected an id from 0 to 2147483647, found -1");
    }

    @Test
    void idThatIsNoInt() throws Exception {
        write(directory, "tokenizer_config.json", "{\"bos_token\": \"<s>\"}");
        write(
                directory,
                "tokenizer.json",
                "{\"added_tokens\": [{\"id\": 2147483648, \"content\": \"<s>\"}], \"model\": {}}");
        refused("tokenizer.json", "special token bos: expected an id from 0 to 2147483647, found 2147483648");
    }

    @Test
    void notJson() throws Exception {
        write(directory, "config.json", "{\"bos_token_id\": ");
        refused(
                "config.json",
                "expected JSON: Unexpected end-of-input within/between Object entries at line 1, column 18");
    }

    @Test
    void notAnObject() throws Exception {
        write(directory, "tokenizer_config.json", "[]");
        refused("tokenizer_config.json", "expected a JSON object, found START_ARRAY");
        write(directory, "tokenizer_config.json", "");
        refused("tokenizer_config.json", "expected a JSON object, found nothing");
    }

    @Test
    void moreAfterTheObject() throws Exception {
        write(directory, "added_tokens.json", "{} {}");
        refused("added_tokens.json", "expected one JSON object, found more after it");
    }

    @Test
    void keyTwice() throws Exception {
        write(directory, "tokenizer.json", "{\"a\": 1, \"a\": 2}");
        refused("tokenizer.json", "expected JSON: Duplicate Object property \"a\" at line 1, column 13");
        write(directory, "tokenizer.json", "{\"model\": {\"a\": 1, \"a\": 2}}");
        refused("tokenizer.json", "expected JSON: Duplicate Object property \"a\" at line 1, column 23");
    }

    @Test
    void nestedTooDeep() throws Exception {
        write(directory, "config.json", "{\"a\": " + "[".repeat(100) + "]".repeat(100) + "}");
        refused(
                "config.json",
                "expected JSON: Document nesting depth (65) exceeds the maximum allowed (64, from"
                        + " `StreamReadConstraints.getMaxNestingDepth()`)");
    }

    @Test
    void notUtf8() throws Exception {
        Files.write(directory.resolve("config.json"), new byte[] {'{', '"', (byte) 0xff, '"'});
        refused("config.json", "byte 2: expected UTF-8");
    }

    @Test
    void templateTooLong() throws Exception {
        write(directory, "tokenizer_config.json", "{\"chat_template\": \"" + "x".repeat((1 << 20) + 1) + "\"}");
        refused("tokenizer_config.json", "chat template default: expected at most 1 MiB, found 1048577 bytes");
        write(directory, "tokenizer_config.json", "{\"a\": 1}");
        write(directory, "chat_template.jinja", "x".repeat((1 << 20) + 1));
        refused("chat_template.jinja", "expected at most 1048576 bytes, found 1048577");
    }

    @Test
    void templateWithNul() throws Exception {
        write(directory, "tokenizer_config.json", "{\"chat_template\": \"x\\u0000\"}");
        refused("tokenizer_config.json", "chat template default: expected no NUL, at which llama.cpp would cut it");
    }

    @Test
    void templateNotUtf8() throws Exception {
        write(directory, "tokenizer_config.json", "{\"a\": 1}");
        Files.write(directory.resolve("chat_template.jinja"), new byte[] {'x', (byte) 0xC3, '('});
        refused("chat_template.jinja", "byte 1: expected UTF-8");
    }

    @Test
    void templateThatIsANumber() throws Exception {
        write(directory, "tokenizer_config.json", "{\"chat_template\": 7}");
        refused("tokenizer_config.json", "chat_template: expected a string or a list, found NUMBER 7");
    }

    @Test
    void templateKeepsItsBytes() throws Exception {
        String template = "{{ ''.__class__ }}\r\n\u202e\ud83d\ude00\t";
        write(directory, "tokenizer_config.json", "{\"a\": 1}");
        write(directory, "chat_template.jinja", template);
        GgufMetadata out = new GgufMetadata();
        new SpecialVocabulary(HuggingFaceFiles.in(directory), SpecialVocabulary.ROLES, 6, notice -> {}).writeTo(out);
        assertThat(out.get("tokenizer.chat_template")).contains(GgufValue.text(template));
    }

    @Test
    void suspectTemplatesAreNoticed() throws Exception {
        write(
                directory,
                "tokenizer_config.json",
                "{\"chat_template\": [{\"name\": \"default\", \"template\": \"{{ m.content }} important from\"},"
                        + " {\"name\": \"x\", \"template\": \"{{ ''.__class__ | attr('a') }}{%- include 'b'"
                        + " %}\\u202e\"}]}");
        List<String> notices = new ArrayList<>();
        new SpecialVocabulary(HuggingFaceFiles.in(directory), SpecialVocabulary.ROLES, 6, notices::add);
        assertThat(notices)
                .containsExactly(
                        "chat template x holds \"__\", \"| attr\", \"{%- include\", \"\\u{202e}\", which can make"
                                + " a program that runs it do other things than chat; it is copied as it is");
    }

    @Test
    void tooManyTemplates() throws Exception {
        write(directory, "tokenizer_config.json", "{\"a\": 1}");
        write(directory, "chat_template.jinja", "x");
        for (int i = 0; i < 65; i++) {
            write(directory, "additional_chat_templates/t" + i + ".jinja", "x");
        }
        refused("additional_chat_templates", "expected at most 64 templates, found more");
    }

    private static void write(Path folder, String file, String text) throws IOException {
        Path path = folder.resolve(file);
        Files.createDirectories(path.toAbsolutePath().getParent());
        Files.writeString(path, text);
    }

    private void refused(String file, String message) {
        Hostile.thrownBy(() ->
                        new SpecialVocabulary(HuggingFaceFiles.in(directory), SpecialVocabulary.ROLES, 6, notice -> {}))
                .isInstanceOf(InputException.class)
                .hasMessage(directory.resolve(file) + ": " + message);
    }
}
