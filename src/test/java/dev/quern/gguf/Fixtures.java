package dev.quern.gguf;

import java.nio.file.Path;
import java.util.List;

/** Files made by gguf-py 0.19 (scripts/make-gguf-fixtures). */
final class Fixtures {
    private static final Path DIRECTORY = Path.of("test-data", "gguf");
    static final Path EVERY_TYPE = DIRECTORY.resolve("every-type.gguf");
    static final Path ALIGNMENT_64 = DIRECTORY.resolve("alignment-64.gguf");
    static final Path NO_TENSORS = DIRECTORY.resolve("no-tensors.gguf");
    static final List<Path> ALL = List.of(EVERY_TYPE, ALIGNMENT_64, NO_TENSORS);

    private Fixtures() {}
}
