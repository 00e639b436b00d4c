package dev.quern.pipeline;

import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.io.Sha256;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The file SHA256SUMS of a directory, which {@code sha256sum -c SHA256SUMS} checks. */
public final class Sha256Sums {
    private static final String NAME = "SHA256SUMS";
    private static final int BUFFER_BYTES = 1 << 20;

    private Sha256Sums() {}

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
            String sum = of(written.file());
            sums.add(sum);
            Path file = written.file().toAbsolutePath();
            directories
                    .computeIfAbsent(file.resolveSibling(NAME), path -> new LinkedHashMap<>())
                    .put(String.valueOf(file.getFileName()), sum);
        }
        directories.forEach(Sha256Sums::update);
        return sums;
    }

    /** @throws InputException when the file cannot be read */
    static String of(Path file) {
        MessageDigest digest = Sha256.digest();
        ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            while (channel.read(buffer.clear()) >= 0) {
                digest.update(buffer.flip());
            }
        } catch (IOException e) {
            throw InputException.of(file, "cannot be read: " + e.getMessage()).withCause(e);
        }
        return Sha256.hex(digest);
    }

    private static void update(Path list, Map<String, String> sums) {
        StringBuilder lines = new StringBuilder();
        for (String line : existing(list)) {
            // Sixty-four digits, a blank, a blank or an asterisk, the name.
            String name = line.length() > 66 ? line.substring(66) : "";
            if (!sums.containsKey(name)) {
                lines.append(line).append('\n');
            }
        }
        sums.forEach((name, sum) -> lines.append(sum).append("  ").append(name).append('\n'));
        byte[] text = lines.toString().getBytes(StandardCharsets.UTF_8);
        try (OutputFile file = OutputFile.create(list, text.length, List.of(), true)) {
            file.write(ByteBuffer.wrap(text), 0);
            file.commit();
        }
    }

    private static List<String> existing(Path list) {
        try {
            return Files.exists(list) ? Files.readAllLines(list) : List.of();
        } catch (IOException e) {
            throw InputException.of(list, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }
}
