package dev.quern.pipeline;

import static dev.quern.pipeline.CompensatedRun.options;
import static dev.quern.pipeline.CompensatedRun.run;
import static dev.quern.pipeline.CompensatedRun.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.evaluation.Windows;
import dev.quern.io.FileOperations;
import dev.quern.io.OutputException;
import dev.quern.pipeline.CompensatedRun.Told;
import dev.quern.quantization.FileType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compensated conversions that end before their time, and what the next run finds of them. */
class CompensatedResumptionTest {
    @TempDir
    private Path folder;

    private Path directory(String name) throws IOException {
        return Files.createDirectory(folder.resolve(name));
    }

    @Test
    void anInterruptedRunIsGoneOnWith() throws Exception {
        Path in = CompensatedRun.model("llama", folder);
        Told whole = new Told();
        byte[] expected = Files.readAllBytes(run(
                in,
                FileType.Q4_0,
                directory("whole").resolve("a.gguf"),
                options(2, Conversion.Resume.ALWAYS, whole),
                whole));
        int all = whole.chosen.size();
        for (int most : new int[] {0, 1, 5, all - 1}) {
            Path directory = directory("at-" + most);
            Path out = directory.resolve("a.gguf");
            Told ended = Told.until(most);
            assertThatThrownBy(() -> run(in, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, ended), ended))
                    .hasMessage("enough");
            if (most > 1) {
                assertThat(SmallRun.list(directory))
                        .hasSize(2)
                        .allMatch(name -> name.matches("\\.a\\.gguf\\.codes\\.[0-9a-f]{16}\\.(partial|journal)"));
                assertThat(ended.notices).anyMatch(notice -> notice.startsWith("note: "));
            }
            Told again = new Told();
            run(in, FileType.Q4_0, out, options(1, Conversion.Resume.ALWAYS, again), again);
            assertThat(out).hasBinaryContent(expected);
            assertThat(SmallRun.list(directory)).containsExactly("a.gguf");
            // The one whose choice could not be told has its blocks too, unless its checkpoint came too late.
            assertThat(again.chosen.size()).isBetween(all - most - 1, most > 1 ? all - most + 1 : all);
            if (most > 1) {
                assertThat(again.notices)
                        .singleElement()
                        .asString()
                        .matches("note: .*a\\.gguf: goes on where an interrupted run stopped: \\d+ of \\d+ tensors are"
                                + " there");
            }
            assertThat(again.chosen)
                    .allSatisfy((name, choice) -> assertThat(choice).isEqualTo(whole.chosen.get(name)));
        }
    }

    @Test
    void withoutResumingNothingStays() throws Exception {
        Path in = CompensatedRun.model("llama", folder);
        Path directory = directory("out");
        Told ended = Told.until(3);
        assertThatThrownBy(() -> run(
                        in,
                        FileType.Q4_0,
                        directory.resolve("a.gguf"),
                        options(2, Conversion.Resume.NEVER, ended),
                        ended))
                .hasMessage("enough");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void anotherTextStartsOver() throws Exception {
        Path in = CompensatedRun.model("llama", folder);
        Path directory = directory("out");
        Path out = directory.resolve("a.gguf");
        Told ended = Told.until(3);
        assertThatThrownBy(() -> run(in, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, ended), ended))
                .hasMessage("enough");
        try (EvaluatedModel model = EvaluatedModel.open(in)) {
            Windows other = text(model, 5000);
            Told fresh = new Told();
            Path alone = directory("alone").resolve("a.gguf");
            run(model, other, FileType.Q4_0, alone, options(2, Conversion.Resume.ALWAYS, fresh), fresh);
            Told again = new Told();
            run(model, other, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, again), again);
            assertThat(again.chosen).isEqualTo(fresh.chosen);
            assertThat(again.notices).noneMatch(notice -> notice.contains("goes on"));
            assertThat(out).hasSameBinaryContentAs(alone);
        }
    }

    /** What took long to choose outlives a disk that fails while it is copied. */
    @Test
    void chosenCodesOutliveTheOutput() throws Exception {
        Path in = CompensatedRun.model("llama", folder);
        Path directory = directory("out");
        Path out = directory.resolve("a.gguf");
        Told told = new Told();
        FileOperations full = new FileOperations() {
            @Override
            public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
                if (told.complete) {
                    throw new IOException("No space left on device");
                }
                return FileOperations.super.write(channel, bytes, position);
            }

            @Override
            public void force(FileChannel channel) {}
        };
        assertThatThrownBy(() -> run(
                        in,
                        FileType.Q4_0,
                        out,
                        options(2, Conversion.Resume.ALWAYS, told).with(full),
                        told))
                .isInstanceOf(OutputException.class);
        assertThat(told.complete).isTrue();
        assertThat(out).doesNotExist();
        Told again = new Told();
        run(in, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, again), again);
        assertThat(again.chosen).isEmpty();
        assertThat(SmallRun.list(directory)).containsExactly("a.gguf");
        Told fresh = new Told();
        assertThat(out)
                .hasSameBinaryContentAs(run(
                        in,
                        FileType.Q4_0,
                        directory("fresh").resolve("b.gguf"),
                        options(1, Conversion.Resume.NEVER, fresh),
                        fresh));
    }
}
