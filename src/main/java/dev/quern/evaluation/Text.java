package dev.quern.evaluation;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * A text to evaluate on: a file's bytes, without one newline at the end if there is one, as llama.cpp reads {@code -f}.
 *
 * @param origin the path the user gave, for messages
 * @param invalidUtf8 where the first byte stands that is not UTF-8; tokenizers see U+FFFD or bytes there, so it is worth
 *     a note, but the peer takes such text and so do we
 */
public record Text(String origin, byte[] bytes, OptionalLong invalidUtf8) {
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
            byte[] bytes = file.region().bytes(0, length);
            return new Text(path.toString(), bytes, firstInvalid(bytes));
        }
    }

    private static OptionalLong firstInvalid(byte[] bytes) {
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(8192);
        while (true) {
            var result = decoder.decode(in, out, true);
            if (result.isError()) {
                return OptionalLong.of(in.position());
            }
            if (result.isUnderflow()) {
                return OptionalLong.empty();
            }
            out.clear();
        }
    }
}
