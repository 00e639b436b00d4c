package dev.quern.checkpoint;

import dev.quern.checkpoint.ggml.GgmlFile;
import dev.quern.checkpoint.ggml.GgmlVersion;
import dev.quern.checkpoint.onnx.OnnxFile;
import dev.quern.checkpoint.safetensors.SafetensorsFile;
import dev.quern.checkpoint.torch.PickleScan;
import dev.quern.checkpoint.torch.TorchContainer;
import dev.quern.checkpoint.torch.TorchFile;
import dev.quern.checkpoint.torch.TorchScan;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * What one file can do and whether it is whole: made of files that are read and of files that are refused alike.
 *
 * @param kind by its bytes
 * @param pickles the programs in it; empty for formats that hold none
 * @param refusal why Quern does not read it; empty when it does
 * @param checksums what came of holding its weights against its checksums
 * @param notes what is odd
 */
public record FileSecurity(
        Path file,
        String kind,
        List<PickleScan> pickles,
        Optional<String> refusal,
        String checksums,
        List<String> notes) {

    /**
     * One file, or every file of a directory that may hold weights.
     *
     * @param readGguf reads a GGUF file's header, whose format this package does not know, and refuses what is wrong
     */
    public static List<FileSecurity> of(Path source, Consumer<Path> readGguf) {
        if (!Files.isDirectory(source)) {
            return List.of(ofFile(source, readGguf));
        }
        List<FileSecurity> files = new ArrayList<>();
        try (Stream<Path> entries = Files.list(source)) {
            entries.filter(Files::isRegularFile)
                    .filter(FileSecurity::mayHoldWeights)
                    .sorted()
                    .forEach(file -> files.add(ofFile(file, readGguf)));
        } catch (IOException e) {
            throw InputException.of(source, "cannot be listed: " + e.getMessage())
                    .withCause(e);
        }
        if (files.isEmpty()) {
            throw InputException.of(source, "no file in it holds weights");
        }
        return files;
    }

    /** By their bytes; a name alone makes nobody run a file, but a damaged one is shown too. */
    private static boolean mayHoldWeights(Path path) {
        try (MappedFile file = MappedFile.open(path)) {
            TorchContainer container = TorchContainer.of(file);
            return switch (container) {
                case ZIP, LEGACY, TAR, PICKLE, PREVIEW, SHIFTED_ZIP, GGUF -> true;
                case GZIP, ZSTANDARD, HDF5, TEXT, EMPTY, UNKNOWN ->
                    SafetensorsFile.looksLike(file)
                            || GgmlVersion.looksLike(file)
                            || String.valueOf(path.getFileName())
                                    .matches(".*\\.(safetensors|bin|pth|pt|ckpt|pkl|onnx)");
            };
        }
    }

    private static FileSecurity ofFile(Path path, Consumer<Path> readGguf) {
        try (MappedFile file = MappedFile.open(path)) {
            if (GgmlVersion.looksLike(file)) {
                return passive(path, "a file of llama.cpp before GGUF", refusal(() -> GgmlFile.read(file)));
            }
            TorchContainer container = TorchContainer.of(file);
            if (container == TorchContainer.GGUF) {
                return passive(path, container.what(), refusal(() -> readGguf.accept(path)));
            }
            if (SafetensorsFile.looksLike(file)) {
                return passive(path, "safetensors", refusal(() -> SafetensorsFile.read(file)));
            }
            // Protobuf has no magic number; only the name tells.
            if (container == TorchContainer.UNKNOWN && path.toString().endsWith(".onnx")) {
                return passive(
                        path,
                        "ONNX",
                        refusal(() -> OnnxFile.read(file, Checkpoints.directoryOf(path))
                                .close()));
            }
            return torch(file, container);
        }
    }

    /** A header and numbers: nothing that a reader would run. */
    private static FileSecurity passive(Path path, String kind, Optional<String> refusal) {
        return new FileSecurity(path, kind, List.of(), refusal, "the format has none", List.of());
    }

    private static FileSecurity torch(MappedFile file, TorchContainer container) {
        List<PickleScan> pickles;
        try {
            pickles = TorchScan.pickles(file);
        } catch (InputException e) {
            return new FileSecurity(
                    file.path(), container.what(), List.of(), Optional.of(line(e)), "not looked at", List.of());
        }
        try {
            TorchFile torch = TorchFile.read(file);
            String checksums = torch.hasChecksums() ? checksums(torch) : "the file has none";
            return new FileSecurity(file.path(), container.what(), pickles, Optional.empty(), checksums, torch.notes());
        } catch (InputException e) {
            return new FileSecurity(
                    file.path(), container.what(), pickles, Optional.of(line(e)), "not looked at", List.of());
        }
    }

    private static String checksums(TorchFile torch) {
        return refusal(torch::verifyChecksums)
                .map(problem -> "differ: " + problem)
                .orElse("match");
    }

    private static Optional<String> refusal(Runnable read) {
        try {
            read.run();
            return Optional.empty();
        } catch (InputException e) {
            return Optional.of(line(e));
        }
    }

    private static String line(InputException e) {
        return String.valueOf(e.getMessage());
    }

    /** Whether it is read and no checksum differs. */
    public boolean isSound() {
        return refusal.isEmpty() && !checksums.startsWith("differ");
    }
}
