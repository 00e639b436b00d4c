package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.pipeline.Family;
import java.nio.file.Path;

/**
 * A tiny all-MiniLM, and files made of it.
 *
 * @param checkpoint in Hugging Face's layout
 * @param folder where the files go
 */
record MiniLm(Path checkpoint, Path folder) {
    static MiniLm in(Path folder) throws Exception {
        return new MiniLm(Family.of("all-minilm").write(folder), folder);
    }

    Path converted(String type) {
        Path out = folder.resolve(type + ".gguf");
        assertThat(Cli.run("convert", checkpoint, "-t", type, "-o", out, "--quiet")
                        .code())
                .isZero();
        return out;
    }
}
