package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Outputs depend on the files that are read, and on no others. */
class SourceFilesTest {
    private static final Path MODEL = Path.of("test-data/models/tolstoy-4m");

    @TempDir
    private Path folder;

    @Test
    void chatTemplatesInTheirFolderAreReadToo() throws IOException {
        try (Stream<Path> files = Files.list(MODEL)) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        Path templates = Files.createDirectory(folder.resolve("additional_chat_templates"));
        Files.writeString(folder.resolve("chat_template.jinja"), "t");
        Files.writeString(templates.resolve("tools.jinja"), "t");
        Files.writeString(templates.resolve("notes.txt"), "not read");
        Files.writeString(folder.resolve("special_tokens_map.json"), "{}");
        Files.writeString(folder.resolve("report.json"), "{}");
        try (Source source = Source.open(folder)) {
            List<String> beside = SourceFiles.beside(source).stream()
                    .map(file -> folder.relativize(file).toString())
                    .toList();
            assertThat(beside)
                    .containsExactly(
                            "README.md",
                            "additional_chat_templates/tools.jinja",
                            "chat_template.jinja",
                            "config.json",
                            "generation_config.json",
                            "tokenizer.json",
                            "tokenizer.model",
                            "tokenizer_config.json");
            assertThat(SourceFiles.of(source)).hasSize(beside.size() + 1).contains(folder.resolve("model.safetensors"));
        }
    }
}
