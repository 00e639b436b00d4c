package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.io.InputException;
import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WindowsTest {
    @TempDir
    Path directory;

    private static int[] count(int tokens) {
        return IntStream.range(0, tokens).toArray();
    }

    @Test
    void halvesDoNotOverlapAndAskForTheSecondHalf() {
        Windows windows = Windows.halves("text", count(17), OptionalInt.of(99), 5, 100);
        assertThat(windows.count()).isEqualTo(3);
        assertThat(windows.scored()).isEqualTo(2);
        assertThat(windows.input(1, 2)).containsExactly(99, 6, 7, 8, 9, 99, 11, 12, 13, 14);
        assertThat(windows.targets(1, 2)).containsExactly(8, 9, 13, 14);
        assertThat(windows.covered()).isEqualTo(count(15));
    }

    @Test
    void stridesOverlapAndAskForTheirLastTokens() {
        Windows windows = Windows.strided("text", count(13), 6, 2, 100);
        assertThat(windows.count()).isEqualTo(4);
        assertThat(windows.input(1, 2)).containsExactly(2, 3, 4, 5, 6, 7, 4, 5, 6, 7, 8, 9);
        assertThat(windows.targets(1, 2)).containsExactly(6, 7, 8, 9);
        assertThat(Windows.strided("text", count(14), 6, 2, 100).count()).isEqualTo(4);
        assertThat(Windows.strided("text", count(15), 6, 2, 3).count()).isEqualTo(3);
        assertThatThrownBy(() -> Windows.strided("text", count(11), 6, 2, 100))
                .isInstanceOf(InputException.class)
                .hasMessage("text: text shorter than two windows: expected at least 12 tokens, found 11");
    }

    @Test
    void aStridedWindowIsAContextOfWhole256() {
        assertThat(Windows.stridedLength(512, 512)).isEqualTo(768);
        assertThat(Windows.stridedLength(512, 1)).isEqualTo(512);
        assertThat(Windows.stridedLength(512, 2)).isEqualTo(768);
        assertThat(Windows.stridedLength(100, 50)).isEqualTo(256);
    }

    /** The peer's loop over the peer's logits, in double. */
    @Test
    void stridedPerplexityIsThePeers() {
        LlamaCpp.require();
        Path file = Bundled.convert(FileType.F32, directory);
        int length = Windows.stridedLength(200, 96);
        int stride = 96;
        try (Source source = Source.open(file);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), length, 2);
                LlamaModel peer = LlamaCpp.load(file)) {
            int[] tokens = Bundled.tokens(source.model());
            double sum = 0;
            for (int window = 0; window < 4; window++) {
                int start = window * stride;
                float[] logits = peer.logits(Arrays.copyOfRange(tokens, start, start + length), ContextOptions.FLOAT);
                for (int j = length - stride - 1; j < length - 1; j++) {
                    sum -= Peers.logProbability(logits, peer.vocabularySize(), j, tokens[start + j + 1]);
                }
            }
            Perplexity.Result found =
                    Perplexity.measure(forward, Windows.strided("text", tokens, length, stride, 4), done -> {});
            assertThat(found.scored()).isEqualTo(4 * 96);
            assertThat(found.meanImprobability()).isCloseTo(sum / (4 * 96), within(2e-6));
            assertThat(found.interval()).isEmpty();
        }
    }
}
