package dev.quern.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SentencePoolingTest {
    private static final String MODULES = "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"},"
            + " {\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"%s\"}]";

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"pooling_mode_mean_tokens\": true}|MEAN",
                "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}|CLS",
                "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": true}|MEAN",
                "{\"pooling_mode_lasttoken\": true}|LAST",
                "{\"pooling_mode\": \"lasttoken\"}|LAST",
                "{\"pooling_mode\": \"lasttoken\", \"pooling_mode_cls_token\": true}|CLS"
            })
    void whatTheModulesSay(String config, SentencePooling expected) throws Exception {
        writePooling(config);
        assertThat(SentencePooling.of(folder)).contains(expected);
        assertThat(SentencePooling.files(folder))
                .containsExactly(folder.resolve("modules.json"), folder.resolve("1_Pooling/config.json"));
    }

    @Test
    void withoutAPoolingModuleNothingIsSaid() throws Exception {
        assertThat(SentencePooling.of(folder)).isEmpty();
        write("modules.json", "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"}, 7]");
        assertThat(SentencePooling.of(folder)).isEmpty();
        assertThat(SentencePooling.files(folder)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"pooling_mode_max_tokens\": true}|found pooling_mode_max_tokens",
                "{\"pooling_mode\": \"weightedmean\"}|found \"weightedmean\"",
                "{}|found none"
            })
    void otherWaysAreRefused(String config, String found) throws Exception {
        writePooling(config);
        assertThatThrownBy(() -> SentencePooling.of(folder))
                .isInstanceOf(InputException.class)
                .hasMessage(folder.resolve("1_Pooling/config.json")
                        + ": expected pooling by mean, first token (cls) or last token, " + found);
    }

    @ParameterizedTest
    @CsvSource({"../elsewhere", "/etc", "''", "a/../../b"})
    void aModuleThatLiesElsewhereIsNotRead(String path) throws Exception {
        write("modules.json", MODULES.formatted(path));
        assertThatThrownBy(() -> SentencePooling.of(folder))
                .isInstanceOf(InputException.class)
                .hasMessage(folder.resolve("modules.json")
                        + ": path of the pooling module: expected a folder beside this file, found \"" + path + "\"");
    }

    @Test
    void modulesThatAreNoListAreRefused() throws Exception {
        write("modules.json", "{}");
        assertThatThrownBy(() -> SentencePooling.of(folder))
                .isInstanceOf(InputException.class)
                .hasMessage(folder.resolve("modules.json") + ": expected a list of modules");
    }

    @Test
    void aModuleWithoutItsConfigurationIsRefused() throws Exception {
        write("modules.json", MODULES.formatted("1_Pooling"));
        assertThatThrownBy(() -> SentencePooling.of(folder))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(folder.resolve("1_Pooling/config.json") + ": ");
    }

    private void writePooling(String config) throws IOException {
        write("modules.json", MODULES.formatted("1_Pooling"));
        write("1_Pooling/config.json", config);
    }

    private void write(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }
}
