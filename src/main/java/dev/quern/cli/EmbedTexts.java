package dev.quern.cli;

import dev.quern.evaluation.Text;
import dev.quern.io.InputException;
import dev.quern.tokenizer.Utf8;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Texts to embed: arguments, or lines.
 *
 * @param origin the file they were read from; empty for arguments
 */
record EmbedTexts(Optional<String> origin, List<byte[]> texts) {
    private static final Path STANDARD_INPUT = Path.of("-");

    // The longest array that every JVM allocates.
    private static final int LONGEST = Integer.MAX_VALUE - 8;

    private static final byte[] BYTE_ORDER_MARK = {(byte) 0xEF, (byte) 0xBB, (byte) 0xBF};

    /** @param file lines of this file, or of standard input when it is "-"; null for the arguments */
    static EmbedTexts of(CommandSpec spec, List<String> arguments, @Nullable Path file) {
        if (arguments.isEmpty() == (file == null)) {
            throw Quern.usage(
                    spec, "expected texts to embed, or a file with one on each line (--file), and not both of them");
        }
        if (file != null) {
            Text read = file.equals(STANDARD_INPUT) ? standardInput() : Text.read(file);
            return new EmbedTexts(Optional.of(read.origin()), lines(read));
        }
        List<byte[]> texts = new ArrayList<>();
        for (String argument : arguments) {
            // What a character that the locale cannot read becomes in Java.
            if (argument.indexOf('\uFFFD') >= 0
                    || !StandardCharsets.UTF_8.newEncoder().canEncode(argument)) {
                throw Quern.usage(
                        spec,
                        "text " + (texts.size() + 1) + " is not readable in this locale's encoding ("
                                + System.getProperty("sun.jnu.encoding") + "); put it into a file and use --file");
            }
            texts.add(argument.getBytes(StandardCharsets.UTF_8));
        }
        return new EmbedTexts(Optional.empty(), List.copyOf(texts));
    }

    private static Text standardInput() {
        try {
            byte[] bytes = System.in.readNBytes(LONGEST);
            if (bytes.length == LONGEST) {
                throw InputException.of("standard input", "expected texts of less than " + LONGEST + " bytes");
            }
            int length = bytes.length > 0 && bytes[bytes.length - 1] == '\n' ? bytes.length - 1 : bytes.length;
            return new Text("standard input", Arrays.copyOf(bytes, length));
        } catch (IOException e) {
            throw InputException.of("standard input", "cannot be read: " + e.getMessage())
                    .withCause(e);
        }
    }

    private static List<byte[]> lines(Text text) {
        byte[] bytes = text.bytes();
        int mark = BYTE_ORDER_MARK.length;
        int from = bytes.length >= mark && Arrays.equals(bytes, 0, mark, BYTE_ORDER_MARK, 0, mark) ? mark : 0;
        List<byte[]> lines = new ArrayList<>();
        if (bytes.length == from) {
            throw InputException.of(text.origin(), "expected a text on each line, found an empty file");
        }
        while (from <= bytes.length) {
            int end = from;
            while (end < bytes.length && bytes[end] != '\n') {
                end++;
            }
            int length = (end > from && bytes[end - 1] == '\r' ? end - 1 : end) - from;
            byte[] line = Arrays.copyOfRange(bytes, from, from + length);
            int begin = from;
            int number = lines.size() + 1;
            Utf8.firstInvalid(line).ifPresent(at -> {
                throw InputException.of(
                        text.origin(), "line " + number + ", byte " + (begin + at) + " of the file: is not UTF-8");
            });
            lines.add(line);
            from = end + 1;
        }
        return List.copyOf(lines);
    }

    int count() {
        return texts.size();
    }

    /** {@code text 2} or {@code line 2}: what people find it by. */
    String name(int index) {
        return (origin.isPresent() ? "line " : "text ") + (index + 1);
    }

    /** A refusal of one of them. */
    InputException refused(int index, String problem) {
        return InputException.of(origin.map(file -> file + ": ").orElse("") + name(index), problem);
    }
}
