package dev.quern.io;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Output that could not be written: a full disk, a directory that takes no files, a device that fails. The message is
 * one complete line that keeps the operating system's own words. Nothing is left under the final name. Exit code 1.
 */
public final class OutputException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private OutputException(String message, Throwable cause) {
        super(message, cause);
    }

    private OutputException(String message) {
        super(message);
    }

    public static OutputException of(Path file, String problem) {
        return new OutputException(file + ": " + problem);
    }

    /** @param problem what could not be done, as "cannot be written"; the cause's own words follow */
    public static OutputException of(Path file, String problem, IOException cause) {
        return new OutputException(file + ": " + problem + ": " + reason(cause), cause);
    }

    /** The system's words without the path, which a FileSystemException puts before them or in their place. */
    private static String reason(IOException e) {
        String words = switch (e) {
            case AccessDeniedException denied -> "Permission denied";
            case NoSuchFileException missing -> "No such file or directory";
            case FileSystemException failed -> failed.getReason();
            default -> e.getMessage();
        };
        return words == null ? e.getClass().getSimpleName() : words;
    }
}
