package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.architecture.Model;
import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Base files that are wrong, one way each: two windows of 5 tokens, a vocabulary of 131, 2 positions a window. */
class BaseFileTest {
    private static final int ROWS = 20 + 4 * 5 * 2;
    private static final int ROW = 8 + 2 * 132;

    @TempDir
    Path directory;

    private Path path;
    private ByteBuffer file = ByteBuffer.allocate(0);

    @BeforeEach
    void write() {
        path = directory.resolve("base.bin");
        file = ByteBuffer.allocate(ROWS + 4 * ROW).order(ByteOrder.LITTLE_ENDIAN);
        file.put(BaseFile.MAGIC).putInt(5).putInt(131).putInt(2);
        for (int i = 0; i < 10; i++) {
            file.putInt(i);
        }
        for (int row = 0; row < 4; row++) {
            file.putFloat(0).putFloat((float) -Math.log(131));
            file.position(file.position() + 2 * 132);
        }
    }

    private BaseFile open() {
        try {
            Files.write(path, file.array());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return BaseFile.open(path);
    }

    private void refused(String message) {
        assertThatThrownBy(() -> open().close())
                .isInstanceOf(InputException.class)
                .hasMessage(path + ": " + message);
    }

    @Test
    void whole() {
        open().close();
    }

    @Test
    void shorterThanItsHeader() {
        file = ByteBuffer.wrap(Arrays.copyOf(file.array(), 19));
        refused("expected at least the 20 bytes of the header, found 19 bytes");
    }

    @Test
    void anotherMagic() {
        file.put(0, (byte) 'G');
        refused("byte 0: expected _logits_, found 0x476c6f676974735f");
    }

    @Test
    void windowsTooShortToScore() {
        file.putInt(8, 2);
        refused("byte 8: tokens in a window: expected 3 to 16777216, found 2");
    }

    @Test
    void aVocabularyThatCannotBe() {
        file.putInt(12, -131);
        refused("byte 12: tokens in the vocabulary: expected 2 to 16777216, found -131");
    }

    @Test
    void noWindows() {
        file.putInt(16, 0);
        refused("byte 16: windows: expected 1 to 16777216, found 0");
    }

    /** Sizes whose product no 64-bit number holds are refused as any other file that is too short. */
    @Test
    void moreThanAnyFileHolds() {
        file.putInt(8, 1 << 24).putInt(12, 1 << 24).putInt(16, 1 << 24);
        refused("expected 9223372036854775807 bytes for 16777216 windows of 16777216 tokens and 16777216 log"
                + " probabilities a position, found " + file.capacity() + " bytes");
    }

    @Test
    void cutOff() {
        file = ByteBuffer.wrap(Arrays.copyOf(file.array(), file.capacity() - 1));
        refused("expected 1148 bytes for 2 windows of 5 tokens and 131 log probabilities a position, found 1147 bytes");
    }

    @Test
    void moreBytesThanItSays() {
        file = ByteBuffer.wrap(Arrays.copyOf(file.array(), file.capacity() + 3));
        refused("expected 1148 bytes for 2 windows of 5 tokens and 131 log probabilities a position, found 1151 bytes");
    }

    @Test
    void aTokenOutsideTheVocabulary() {
        file.putInt(20 + 4 * 7, 131);
        refused("byte 48: token 7: expected 0 to 130, found 131");
    }

    @Test
    void anotherText() {
        try (BaseFile base = open()) {
            base.requireText("text", new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
            assertThatThrownBy(() -> base.requireText("text", new int[] {0, 1, 2, 9, 4, 5, 6, 7, 8, 9}))
                    .isInstanceOf(InputException.class)
                    .hasMessage(path + ": token 3: expected the 9 that text makes, found 3");
            assertThatThrownBy(() -> base.requireText("text", new int[] {0, 1, 2}))
                    .isInstanceOf(InputException.class)
                    .hasMessage(path + ": token 3: expected no more that text makes, found 3");
        }
    }

    private void refusedWhenRead(Consumer<ByteBuffer> change, String message) {
        change.accept(file);
        try (BaseFile base = open();
                Model model = RandomModel.small(1).open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, 5, 1)) {
            Comparison comparison = Comparison.of(base.windows(OptionalInt.empty(), 9), base, List.of(forward));
            assertThatThrownBy(() -> comparison.run(done -> {}))
                    .isInstanceOf(InputException.class)
                    .hasMessage(path + ": byte " + (ROWS + 3 * ROW) + ": window 2, position 3: " + message);
        }
    }

    @Test
    void aScaleThatIsNoNumber() {
        refusedWhenRead(
                f -> f.putFloat(ROWS + 3 * ROW, Float.NaN),
                "expected log probabilities up to 0, found -4.8751974 to NaN");
    }

    @Test
    void aNegativeScale() {
        refusedWhenRead(
                f -> f.putFloat(ROWS + 3 * ROW, -0.5f),
                "expected log probabilities up to 0, found -4.8751974 to -32772.375");
    }

    @Test
    void probabilitiesAboveOne() {
        refusedWhenRead(
                f -> f.putFloat(ROWS + 3 * ROW, 1e-3f),
                "expected log probabilities up to 0, found -4.8751974 to 60.659805");
    }

    @Test
    void probabilitiesThatDoNotAddUp() {
        refusedWhenRead(
                f -> f.putFloat(ROWS + 3 * ROW + 4, -3), "expected probabilities that add up to 1, found 6.5221057");
        write();
        refusedWhenRead(f -> f.putFloat(ROWS + 3 * ROW + 4, -30), "expected probabilities that add up to 1, found 0.0");
    }
}
