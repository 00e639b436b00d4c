package dev.quern.checkpoint;

import dev.quern.io.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What Jazzer calls with whatever it thinks of ({@code scripts/fuzz jazzer}): anything but a refusal is a finding. */
public final class ContainerFuzzer {
    private static final Path FILE = temporary();

    private ContainerFuzzer() {}

    private static Path temporary() {
        try {
            Path file = Files.createTempFile("quern-fuzz", ".bin");
            file.toFile().deleteOnExit();
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static void fuzzerTestOneInput(byte[] data) throws IOException {
        Files.write(FILE, data);
        try {
            MutationTest.readWhole(FILE);
        } catch (InputException expected) {
            // A refusal in one line is what hostile input deserves.
            if (String.valueOf(expected.getMessage()).contains("\n")) {
                throw new AssertionError("more than one line: " + expected.getMessage(), expected);
            }
        }
    }
}
