package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextTest {
    @TempDir
    Path directory;

    @Test
    void exactlyOneNewlineIsTakenFromTheEnd() throws IOException {
        assertThat(read("a\nb\n\n".getBytes(StandardCharsets.UTF_8)).bytes()).isEqualTo(new byte[] {'a', 10, 'b', 10});
        assertThat(read(new byte[] {'a'}).bytes()).isEqualTo(new byte[] {'a'});
        assertThat(read(new byte[] {'\n'}).bytes()).isEmpty();
        assertThat(read(new byte[0]).bytes()).isEmpty();
        assertThat(read(new byte[] {'a', '\r', '\n'}).bytes()).isEqualTo(new byte[] {'a', '\r'});
    }

    @Test
    void theFirstByteThatIsNotUtf8IsFound() throws IOException {
        String filler = "é€😀 ".repeat(5000);
        byte[] valid = filler.getBytes(StandardCharsets.UTF_8);
        assertThat(read(valid).firstInvalid()).isEmpty();
        for (byte[] wrong : new byte[][] {
            {(byte) 0xff},
            {(byte) 0xc0, (byte) 0x80},
            {(byte) 0xed, (byte) 0xa0, (byte) 0x80},
            {(byte) 0xe2, (byte) 0x82}
        }) {
            byte[] both = new byte[valid.length + wrong.length];
            System.arraycopy(valid, 0, both, 0, valid.length);
            System.arraycopy(wrong, 0, both, valid.length, wrong.length);
            assertThat(read(both).firstInvalid()).isEqualTo(OptionalInt.of(valid.length));
        }
    }

    @Test
    void aFileThatIsNotThere() {
        Path path = directory.resolve("none.txt");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> Text.read(path))
                .withMessage(path + ": no such file");
    }

    private Text read(byte[] bytes) throws IOException {
        return Text.read(Files.write(directory.resolve("text.txt"), bytes));
    }
}
