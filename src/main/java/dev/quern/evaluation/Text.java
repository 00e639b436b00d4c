package dev.quern.evaluation;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.tokenizer.Utf8;
import java.nio.file.Path;
import java.util.OptionalInt;

/**
 * A text to evaluate on: a file's bytes, without one newline at the end if there is one, as llama.cpp reads {@code -f}.
 *
 * @param origin the path the user gave, for messages
 */
public record Text(String origin, byte[] bytes) {
    // The longest array that every JVM allocates; tokens of a longer text would not fit one either.
    private static final long LONGEST = Integer.MAX_VALUE - 8L;

    /** @throws InputException when the file cannot be read or is 2 GiB or longer */
    public static Text read(Path path) {
        try (MappedFile file = MappedFile.open(path)) {
            if (file.size() > LONGEST) {
                throw InputException.of(
                        path, "expected a text of at most " + LONGEST + " bytes, found " + file.size() + " bytes");
            }
            int length = (int) file.size();
            if (length > 0 && file.region().u8(length - 1) == '\n') {
                length--;
            }
            return new Text(path.toString(), file.region().bytes(0, length));
        }
    }

    /** Where the text stops being UTF-8, if it does: worth a note, but the peer takes such a text and so do we. */
    public OptionalInt firstInvalid() {
        return Utf8.firstInvalid(bytes);
    }
}
