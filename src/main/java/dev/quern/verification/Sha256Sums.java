package dev.quern.verification;

import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.pipeline.Conversion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The file SHA256SUMS of a directory, which {@code sha256sum -c SHA256SUMS} checks. */
public final class Sha256Sums {
    private static final String NAME = "SHA256SUMS";
    private static final Pattern LINE = Pattern.compile("([0-9a-fA-F]{64}) [ *](.+)");

    private Sha256Sums() {}

    /** {@code HEX  file}, or {@code HEX *file} where the sum was taken in binary mode. */
    record Line(String sha256, String file) {
        /** @return empty for a line of another form */
        static Optional<Line> parse(String text) {
            Matcher matcher = LINE.matcher(text);
            return matcher.matches() ? Optional.of(new Line(matcher.group(1), matcher.group(2))) : Optional.empty();
        }

        String text() {
            return sha256 + "  " + file;
        }
    }

    /**
     * Puts the files' lines into their directories' SHA256SUMS. Lines of other files stay as they are.
     *
     * @param sums each file's SHA-256, 64 hexadecimal digits
     * @throws InputException when an older SHA256SUMS cannot be read
     * @throws dev.quern.io.OutputException when a SHA256SUMS cannot be written
     */
    public static void write(List<Conversion.Written> files, List<String> sums) {
        Map<Path, Map<String, String>> directories = new LinkedHashMap<>();
        for (int i = 0; i < files.size(); i++) {
            Path file = files.get(i).file().toAbsolutePath();
            directories
                    .computeIfAbsent(file.resolveSibling(NAME), path -> new LinkedHashMap<>())
                    .put(String.valueOf(file.getFileName()), sums.get(i));
        }
        directories.forEach(Sha256Sums::update);
    }

    private static void update(Path list, Map<String, String> sums) {
        StringBuilder lines = new StringBuilder();
        for (String line : existing(list)) {
            if (Line.parse(line).filter(old -> sums.containsKey(old.file())).isEmpty()) {
                lines.append(line).append('\n');
            }
        }
        sums.forEach((name, sum) -> lines.append(new Line(sum, name).text()).append('\n'));
        OutputFile.write(list, lines.toString(), List.of(), true);
    }

    private static List<String> existing(Path list) {
        try {
            return Files.exists(list) ? Files.readAllLines(list) : List.of();
        } catch (IOException e) {
            throw InputException.of(list, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }
}
