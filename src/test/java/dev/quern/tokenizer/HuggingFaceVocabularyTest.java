package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class HuggingFaceVocabularyTest {
    private static final Path MODEL = Path.of("test-data/models/tolstoy-4m");

    @Test
    void bundledModelGivesTheKeysOfConvertHfToGguf() throws Exception {
        JsonNode golden = JsonMapper.shared().readTree(Path.of("test-data/golden/convert.json"));
        List<List<String>> expected = new ArrayList<>();
        for (JsonNode entry : golden.get("metadata_f16")) {
            if (entry.get(0).stringValue().startsWith("tokenizer.")) {
                JsonNode value = entry.get(2);
                expected.add(List.of(
                        entry.get(0).stringValue(),
                        entry.get(1).stringValue(),
                        value.isObject() ? value.get("sha256_of_json").stringValue() : value.asString()));
            }
        }
        List<String> notices = new ArrayList<>();
        GgufMetadata metadata = new GgufMetadata();
        HuggingFaceVocabulary.read(MODEL, OptionalLong.of(2048), notices::add).writeTo(metadata);

        List<List<String>> found = new ArrayList<>();
        metadata.asMap().forEach((key, value) -> found.add(List.of(key, type(value), shown(value))));
        assertThat(found).isEqualTo(expected);
        assertThat(notices).isEmpty();
    }

    private static String type(GgufValue value) {
        return value instanceof GgufValue.Array array
                ? "ARRAY/" + array.element()
                : value.type().toString();
    }

    /** Arrays as the SHA-256 of Python's json.dumps(values, ensure_ascii=False). */
    private static String shown(GgufValue value) {
        return switch (value) {
            case GgufValue.Text text -> text.text();
            case GgufValue.Int number -> Long.toString(number.value());
            case GgufValue.Bool bool -> Boolean.toString(bool.value());
            case GgufValue.Texts texts -> {
                List<String> parts = new ArrayList<>();
                for (int i = 0; i < texts.size(); i++) {
                    parts.add(JsonMapper.shared().writeValueAsString(texts.text(i)));
                }
                yield sha256(parts);
            }
            case GgufValue.Floats floats -> {
                List<String> parts = new ArrayList<>();
                for (float f : floats.values()) {
                    parts.add(Float.toString(f));
                }
                yield sha256(parts);
            }
            case GgufValue.Ints ints -> {
                List<String> parts = new ArrayList<>();
                for (long i : ints.values()) {
                    parts.add(Long.toString(i));
                }
                yield sha256(parts);
            }
            default -> throw new AssertionError(value);
        };
    }

    private static String sha256(List<String> parts) {
        try {
            byte[] json = ("[" + String.join(", ", parts) + "]").getBytes(StandardCharsets.UTF_8);
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(json));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
