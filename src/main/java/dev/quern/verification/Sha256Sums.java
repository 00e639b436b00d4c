package dev.quern.verification;

import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.io.Sha256;
import dev.quern.pipeline.Conversion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
     * Reads the files again and puts their lines into their directories' SHA256SUMS. Lines of other files stay as they
     * are.
     *
     * @return each file's SHA-256, 64 hexadecimal digits
     * @throws InputException when a file or an older SHA256SUMS cannot be read
     * @throws dev.quern.io.OutputException when a SHA256SUMS cannot be written
     */
    public static List<String> write(List<Conversion.Written> files) {
        List<String> sums = new ArrayList<>();
        Map<Path, Map<String, String>> directories = new LinkedHashMap<>();
        for (Conversion.Written written : files) {
            String sum = Sha256.ofFile(written.file());
            sums.add(sum);
            Path file = written.file().toAbsolutePath();
            directories
                    .computeIfAbsent(file.resolveSibling(NAME), path -> new LinkedHashMap<>())
                    .put(String.valueOf(file.getFileName()), sum);
        }
        directories.forEach(Sha256Sums::update);
        return sums;
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
