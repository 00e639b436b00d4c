package dev.quern.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Objects;

/**
 * What tells that a file is still the one that was opened, without reading it.
 *
 * @param size bytes
 * @param modified to the nanosecond where the file system keeps that
 * @param key device and inode where the file system has them, else empty
 */
public record FileIdentity(Path path, long size, FileTime modified, String key) {
    /** @throws InputException when the file cannot be asked */
    public static FileIdentity of(Path path) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            return new FileIdentity(
                    path, attributes.size(), attributes.lastModifiedTime(), Objects.toString(attributes.fileKey(), ""));
        } catch (IOException e) {
            throw InputException.of(path, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }

    /** @throws InputException when the path now leads to another file, or the file has been written to */
    public void requireUnchanged() {
        FileIdentity now = of(path);
        if (!now.equals(this)) {
            throw InputException.of(
                            path,
                            "changed while it was being read: expected " + describe() + ", found " + now.describe())
                    .withHint("wait until whatever writes it has ended, then run the command again");
        }
    }

    private String describe() {
        return size + " bytes of " + modified + (key.isEmpty() ? "" : " " + key);
    }

    /**
     * The identity as one line that is the same after a reboot and under another directory: name, size, time and inode.
     * Device numbers may change with a reboot, so they are no part of it.
     */
    public String lasting() {
        return path.getFileName() + "\t" + size + "\t" + modified + "\t" + key.replaceAll("^.*\\bino=|\\)$", "");
    }
}
