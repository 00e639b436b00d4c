package dev.quern.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SentenceModulesTest {
    @TempDir
    Path folder;

    @Test
    void saysWhatNoGgufCan() throws Exception {
        assertThat(SentenceModules.further(folder)).isEmpty();
        assertThat(SentenceModules.longestText(folder)).isEmpty();
        Files.writeString(folder.resolve("modules.json"), """
            [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"},
             {"type": "sentence_transformers.models.Dense"}, {"type": "Normalize"}, {"path": "5"}]\
            """);
        Files.writeString(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\": 256}");
        assertThat(SentenceModules.further(folder)).containsExactly("Dense");
        assertThat(SentenceModules.longestText(folder)).hasValue(256);
        Files.writeString(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\": null}");
        assertThat(SentenceModules.longestText(folder)).isEmpty();
    }

    @Test
    void damagedFilesAreRefused() throws Exception {
        Files.writeString(folder.resolve("modules.json"), "[{");
        Files.writeString(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\": ");
        assertThatThrownBy(() -> SentenceModules.further(folder))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(folder.resolve("modules.json") + ": ");
        assertThatThrownBy(() -> SentenceModules.longestText(folder))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(folder.resolve("sentence_bert_config.json") + ": ");
    }
}
