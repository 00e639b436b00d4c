package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class SentencePieceTokenizerTest {
    private static final Tokenizer BUNDLED = Tokenizer.of(
            HuggingFaceVocabulary.read(Path.of("test-data/models/tolstoy-4m"), OptionalLong.of(2048), notice -> {}));

    @Test
    void awkwardStringsGiveTheIdsOfLlamaCpp() {
        JsonNode cases = JsonMapper.shared()
                .readTree(Path.of("test-data/golden/tokens.json"))
                .get("cases");
        assertThat(cases.size()).isEqualTo(40);
        for (JsonNode one : cases) {
            String text = one.get("text").stringValue();
            JsonNode ids = one.has("llama_cpp") ? one.get("llama_cpp") : one.get("sentencepiece");
            List<Integer> expected = new ArrayList<>();
            ids.forEach(id -> expected.add(id.intValue()));
            assertThat(BUNDLED.encode(text, false)).as(text).containsExactly(expected.toArray(Integer[]::new));
            assertThat(new String(BUNDLED.decode(BUNDLED.encode(text, true)), StandardCharsets.UTF_8))
                    // The format has one sign for both.
                    .isEqualTo(text.replace('\u2581', ' '));
        }
    }

    @Test
    void randomTextsGiveTheIdsOfSentencePiece() {
        JsonNode recorded = JsonMapper.shared().readTree(Path.of("test-data/tokenizer/sentencepiece.json"));
        assertIds(BUNDLED, recorded.get("bundled"));
        Path file = Path.of("test-data/tokenizer/no-bytes.model");
        SentencePieceModel model = SentencePieceModel.read(file);
        assertIds(Tokenizer.of(model.vocabulary(file, model.size())), recorded.get("no-bytes"));
    }

    private static void assertIds(Tokenizer tokenizer, JsonNode cases) {
        for (JsonNode one : cases) {
            int[] expected =
                    one.get(1).valueStream().mapToInt(JsonNode::intValue).toArray();
            String text = one.get(0).stringValue();
            assertThat(tokenizer.encode(text, false)).as(text).containsExactly(expected);
        }
    }
}
