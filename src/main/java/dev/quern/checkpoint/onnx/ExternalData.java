package dev.quern.checkpoint.onnx;

import dev.quern.checkpoint.SnapshotFolder;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Files beside an ONNX model that hold its larger tensors; what the model says of them is checked, not believed. */
final class ExternalData implements AutoCloseable {
    private static final int MAX_FILES = 4096;

    private final Path model;
    private final Path directory;
    private final Map<String, MappedFile> files = new LinkedHashMap<>();

    ExternalData(Path model, Path directory) {
        this.model = model;
        this.directory = directory;
    }

    /**
     * Where a tensor's bytes lie.
     *
     * @param place the keys location, offset and length
     * @param bytes what the tensor's type and shape call for, or -1 when its type is not known
     */
    Region region(String tensor, Map<String, String> place, long bytes) {
        String location = place.getOrDefault("location", "");
        if (location.isEmpty()) {
            throw refused(tensor, "lies in another file, and there is no location");
        }
        MappedFile file = files.get(location);
        if (file == null) {
            file = MappedFile.open(resolve(tensor, location));
            files.put(location, file);
            if (files.size() > MAX_FILES) {
                throw refused(tensor, "lies in file " + files.size() + "; more than " + MAX_FILES + " are not opened");
            }
        }
        long offset = number(tensor, place, "offset", 0);
        long length = number(tensor, place, "length", bytes >= 0 ? bytes : 0);
        if (bytes >= 0 && length != bytes) {
            throw refused(tensor, "expected a length of " + bytes + " bytes, found " + length);
        }
        if (offset > file.size() || length > file.size() - offset) {
            throw refused(
                            tensor,
                            "lies at bytes " + offset + " to " + (offset + length) + " of " + Quoted.of(location)
                                    + ", which has " + file.size())
                    .withHint("the download may be truncated");
        }
        return file.region().slice(offset, length);
    }

    List<MappedFile> files() {
        return List.copyOf(files.values());
    }

    @Override
    public void close() {
        files.values().forEach(MappedFile::close);
    }

    private long number(String tensor, Map<String, String> place, String key, long fallback) {
        String text = place.get(key);
        if (text == null) {
            return fallback;
        }
        if (!text.matches("[0-9]{1,18}")) {
            throw refused(tensor, key + ": expected a number of bytes, found " + Quoted.of(text));
        }
        return Long.parseLong(text);
    }

    private Path resolve(String tensor, String location) {
        if (!location.matches("[A-Za-z0-9._ /-]{1,400}")
                || location.startsWith("/")
                || location.matches("(.*/)?\\.\\.(/.*)?")) {
            throw refused(
                    tensor, "expected the name of a file beside the model, found the location " + Quoted.of(location));
        }
        Path path = directory.resolve(location);
        if (!Files.exists(path)) {
            throw refused(tensor, "lies in " + Quoted.of(location) + ", which is not there")
                    .withHint("the download is not complete");
        }
        try {
            if (!SnapshotFolder.holds(directory.toRealPath(), path.toRealPath())) {
                throw refused(tensor, Quoted.of(location) + " is a symbolic link out of the directory");
            }
            return path;
        } catch (IOException e) {
            throw InputException.of(path, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }

    private InputException refused(String tensor, String problem) {
        return InputException.of(model, "initializer " + Quoted.of(tensor), problem);
    }
}
