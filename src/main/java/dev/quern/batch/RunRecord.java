package dev.quern.batch;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.quern.io.InputException;
import dev.quern.io.OutputException;
import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import dev.quern.io.Sha256;
import dev.quern.report.ReportFile;
import dev.quern.report.RunReport;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * What has been done in an output directory, so that the next run need not do it again: written whole after every step,
 * and held by one run at a time.
 */
final class RunRecord implements AutoCloseable {
    static final String NAME = ".quern-run.json";
    private static final String LOCK = ".quern-run.lock";
    private static final int VERSION = 1;

    /** How a file was when its hash was taken; a file that still is like that is not hashed again. */
    record Stamp(long bytes, long modifiedNanos, String sha256) {}

    /** An output that a conversion has made. */
    record Made(String digest, RunReport.OutputResult result) {}

    record Measured(String digest, RunReport.Measurement result) {}

    /** A file made on the way, such as an importance matrix. */
    record Collected(String digest, double seconds) {}

    /** The types of an output that were found for its size. */
    record Decided(String digest, double seconds, RunReport.Allocation allocation) {}

    private record Contents(
            int version,
            Map<String, Stamp> stamps,
            Map<String, Made> outputs,
            Map<String, Measured> measurements,
            Map<String, Collected> collected,
            @JsonInclude(JsonInclude.Include.NON_EMPTY) Map<String, Decided> decided) {
        Contents {
            // Records of earlier versions say nothing of it.
            decided = Objects.requireNonNullElseGet(decided, TreeMap::new);
        }
    }

    private final Path path;
    private final @Nullable FileChannel lock;
    private final Contents contents;

    private RunRecord(Path path, @Nullable FileChannel lock, Contents contents) {
        this.path = path;
        this.lock = lock;
        this.contents = contents;
    }

    /**
     * Opens the directory's record for a run, and keeps other runs out.
     *
     * @throws RefusedException when another run works in the directory
     * @throws OutputException when the directory cannot be made or written
     */
    static RunRecord hold(Path directory) {
        FileChannel lock;
        try {
            Files.createDirectories(directory);
            lock = FileChannel.open(directory.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw OutputException.of(directory, "cannot be written to", e);
        }
        try {
            if (!locked(lock)) {
                throw new RefusedException(
                        directory, "another quern run works in this directory", "wait for it, or end it");
            }
            Path path = directory.resolve(NAME);
            return new RunRecord(path, lock, read(path));
        } catch (RuntimeException e) {
            close(lock);
            throw e;
        }
    }

    /** Looks at the record without holding it, for a plan. */
    static RunRecord look(Path directory) {
        Path path = directory.resolve(NAME);
        return new RunRecord(path, null, read(path));
    }

    private static boolean locked(FileChannel channel) {
        try {
            FileLock held = channel.tryLock();
            return held != null;
        } catch (OverlappingFileLockException e) {
            return false;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static Contents read(Path path) {
        if (!Files.exists(path)) {
            return new Contents(
                    VERSION, new TreeMap<>(), new TreeMap<>(), new TreeMap<>(), new TreeMap<>(), new TreeMap<>());
        }
        try {
            Contents read = ReportFile.mapper().readValue(Files.readAllBytes(path), Contents.class);
            if (read.version() == VERSION) {
                return read;
            }
            throw unreadable(path, "version " + VERSION + " expected, found " + read.version(), null);
        } catch (IOException | JacksonException e) {
            throw unreadable(path, "cannot be read", e);
        }
    }

    private static InputException unreadable(Path path, String problem, @Nullable Exception cause) {
        InputException refusal = InputException.of(path, "the record of earlier runs: " + problem)
                .withHint("delete it, and everything is done again");
        return cause == null ? refusal : refusal.withCause(cause);
    }

    /** The file's hash, from the record while size and time of change are what they were. */
    String sha256(Path file) {
        String key = file.toAbsolutePath().normalize().toString();
        Stamp now = stamp(file, "");
        synchronized (this) {
            Stamp known = contents.stamps().get(key);
            if (known != null && known.bytes() == now.bytes() && known.modifiedNanos() == now.modifiedNanos()) {
                return known.sha256();
            }
        }
        Stamp taken = stamp(file, Sha256.ofFile(file));
        synchronized (this) {
            contents.stamps().put(key, taken);
        }
        return taken.sha256();
    }

    /** The file as it is now, with the hash that it is known to have. */
    private static Stamp stamp(Path file, String sha256) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return new Stamp(
                    attributes.size(),
                    attributes.lastModifiedTime().to(java.util.concurrent.TimeUnit.NANOSECONDS),
                    sha256);
        } catch (IOException e) {
            throw InputException.of(file, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }

    /** An output that was made from this digest's inputs and is there as it was made. */
    synchronized Optional<RunReport.OutputResult> output(Path file, String digest) {
        Made made = contents.outputs().get(name(file));
        if (made == null
                || !made.digest().equals(digest)
                || !isThere(file, made.result().file())) {
            return Optional.empty();
        }
        return Optional.of(made.result());
    }

    /** Whether an earlier run made a file of this name, so that it may be replaced. */
    synchronized boolean isOwn(Path file) {
        return contents.outputs().containsKey(name(file))
                || contents.collected().containsKey(name(file));
    }

    private boolean isThere(Path file, RunReport.@Nullable FileIdentity expected) {
        return expected != null
                && Files.isRegularFile(file)
                && size(file) == expected.bytes()
                && sha256(file).equals(expected.sha256());
    }

    private static long size(Path file) {
        return stamp(file, "").bytes();
    }

    synchronized Optional<RunReport.Measurement> measurement(String key, String digest) {
        Measured measured = contents.measurements().get(key);
        return measured != null && measured.digest().equals(digest) ? Optional.of(measured.result()) : Optional.empty();
    }

    /** A file that was collected from this digest's inputs and is there. */
    synchronized Optional<Collected> collected(Path file, String digest) {
        Collected collected = contents.collected().get(name(file));
        return collected != null && collected.digest().equals(digest) && Files.isRegularFile(file)
                ? Optional.of(collected)
                : Optional.empty();
    }

    /** The types of an output that were found from this digest's inputs. */
    synchronized Optional<Decided> decided(Path file, String digest) {
        return Optional.ofNullable(contents.decided().get(name(file)))
                .filter(decided -> decided.digest().equals(digest));
    }

    synchronized void put(Path file, Decided decided) {
        contents.decided().put(name(file), decided);
    }

    synchronized void put(Path file, Made made) {
        contents.outputs().put(name(file), made);
    }

    synchronized void put(String key, Measured measured) {
        contents.measurements().put(key, measured);
    }

    synchronized void put(Path file, Collected collected) {
        contents.collected().put(name(file), collected);
    }

    private static String name(Path file) {
        return String.valueOf(file.getFileName());
    }

    /** Puts everything on disk: whole or not at all. */
    synchronized void save() {
        write(path, ReportFile.mapper().writeValueAsBytes(contents));
    }

    /** A small file that appears whole, in the place of an older one. */
    static void write(Path file, byte[] bytes) {
        try {
            Path directory = file.toAbsolutePath().getParent();
            if (directory != null) {
                Files.createDirectories(directory);
            }
        } catch (IOException e) {
            throw OutputException.of(file, "cannot be written", e);
        }
        OutputFile.write(file, bytes, List.of(), true);
    }

    @Override
    public void close() {
        close(lock);
    }

    private static void close(@Nullable FileChannel channel) {
        if (channel != null) {
            try {
                channel.close();
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }
    }
}
