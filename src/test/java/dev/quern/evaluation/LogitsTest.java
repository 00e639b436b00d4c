package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Logits of the bundled model against those of llama.cpp and of transformers. */
class LogitsTest {
    private static final int WINDOW = 512;

    @TempDir
    Path directory;

    /** Plain attention over a float cache: what is left between the two is the order of float sums. */
    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"F32"})
    void equalLlamaCpps(FileType type) {
        LlamaCpp.require();
        Path file = Bundled.convert(type, directory);
        try (Source source = Source.open(file);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), WINDOW, 2);
                LlamaModel peer = LlamaCpp.load(file)) {
            int[] tokens = Bundled.window(source.model(), WINDOW);
            float[] expected = peer.logits(tokens, ContextOptions.FLOAT);
            assertThat(worst(forward.logits(tokens, 0, WINDOW), expected)).isLessThan(1e-5 * range(expected));
            // As its tools run it, the peer keeps keys and values in F16.
            float[] rounded = peer.logits(tokens, ContextOptions.AS_THE_TOOLS);
            assertThat(worst(forward.logits(tokens, 0, WINDOW), rounded)).isLessThan(1e-3 * range(rounded));
        }
    }

    /** Recorded by scripts/record-logits, which says what the file holds. */
    @Test
    void equalThoseOfTransformers() throws IOException {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(Path.of("test-data/golden/logits-transformers.bin")))
                .order(ByteOrder.LITTLE_ENDIAN);
        assertThat(file.getInt()).isEqualTo(WINDOW);
        int positions = file.getInt();
        int vocabulary = file.getInt();
        int[] tokens = new int[WINDOW];
        file.asIntBuffer().get(tokens);
        file.position(file.position() + 4 * WINDOW);
        try (Source source = Source.open(Bundled.CHECKPOINT);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), WINDOW, 2)) {
            assertThat(Bundled.window(source.model(), WINDOW)).isEqualTo(tokens);
            assertThat(forward.vocabulary()).isEqualTo(vocabulary);
            int[] position = new int[positions];
            file.asIntBuffer().get(position);
            file.position(file.position() + 4 * positions);
            for (int row : position) {
                float[] expected = new float[vocabulary];
                file.asFloatBuffer().get(expected);
                file.position(file.position() + 4 * vocabulary);
                assertThat(worst(forward.logits(tokens, row, row + 1), expected))
                        .as("position %d", row)
                        .isLessThan(1e-4);
            }
        }
    }

    private static double worst(float[] found, float[] expected) {
        assertThat(found).hasSameSizeAs(expected);
        double worst = 0;
        for (int i = 0; i < found.length; i++) {
            worst = Math.max(worst, Math.abs((double) found[i] - expected[i]));
        }
        return worst;
    }

    private static double range(float[] logits) {
        float least = Float.POSITIVE_INFINITY;
        float most = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            least = Math.min(least, logit);
            most = Math.max(most, logit);
        }
        return most - least;
    }
}
