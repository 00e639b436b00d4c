package dev.quern.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Output that appears whole under its final name or not at all: a locked temporary beside the target, positional writes
 * from any number of threads, force, atomic move, directory force. What is never written reads as zeros, so a format
 * whose first bytes are written last leaves no partial file that looks whole.
 *
 * <p>The temporary is called {@code .NAME.RANDOM.partial}. A process that ends through SIGTERM or SIGINT deletes it;
 * what SIGKILL leaves behind is removed by the next run that writes the same name ({@link #staleRemoved}).
 *
 * <p>With a {@link Journaling} the temporary is kept when the work ends early, and the next run that asks for the same
 * thing goes on with it ({@link #earlierLines}). A journal beside it, {@code .NAME.RANDOM.journal}, says how far the work
 * had come: what its owner answers to each {@link #checkpoints checkpoint} is written there after a force.
 */
public final class OutputFile implements AutoCloseable {
    private final Path target;
    private final long size;
    private final boolean overwrite;
    private final FileOperations operations;
    private final WriteBack writeBack;
    private final Opening opened;
    private final AtomicBoolean failed = new AtomicBoolean();
    private volatile Supplier<List<String>> checkpoint = List::of;
    private volatile boolean discarded;
    private boolean prepared;
    private boolean moved;
    private boolean done;
    private boolean closed;

    /**
     * How an interrupted output goes on.
     *
     * @param identity one line; only a temporary that was begun with the same line is gone on with
     * @param resume whether to go on with one at all
     * @param step bytes between two checkpoints
     * @param seconds time after which fewer bytes are a checkpoint too
     */
    public record Journaling(String identity, boolean resume, long step, long seconds) {}

    private OutputFile(Path target, long size, boolean overwrite, FileOperations operations, Opening opened) {
        this.target = target;
        this.size = size;
        this.overwrite = overwrite;
        this.operations = operations;
        this.opened = opened;
        Journaling journaling = opened.journaling();
        this.writeBack = journaling == null
                ? new WriteBack(this::force, WriteBack.STEP, Long.MAX_VALUE)
                : new WriteBack(this::force, journaling.step, journaling.seconds * 1_000_000_000L);
        this.moved = opened.isPublished();
    }

    /**
     * Checks everything that can be known before the first byte, then creates the temporary.
     *
     * @param size bytes of the finished file
     * @param inputs files that are being read; the target may be none of them, under whatever name
     * @throws RefusedException when the target is an input, exists (without {@code overwrite}), is being written by
     *     somebody else, or has no directory
     * @throws OutputException when there is too little space or the directory takes no file
     */
    public static OutputFile create(Path target, long size, Collection<Path> inputs, boolean overwrite) {
        return create(target, size, inputs, overwrite, FileOperations.REAL);
    }

    /** As {@link #create(Path, long, Collection, boolean)}, through other operations. */
    public static OutputFile create(
            Path target, long size, Collection<Path> inputs, boolean overwrite, FileOperations operations) {
        return create(target, size, inputs, overwrite, operations, Optional.empty());
    }

    /** As {@link #create(Path, long, Collection, boolean)}, or goes on with what an earlier run left. */
    public static OutputFile create(
            Path target,
            long size,
            Collection<Path> inputs,
            boolean overwrite,
            FileOperations operations,
            Optional<Journaling> journaling) {
        if (size < 0) {
            throw new IllegalArgumentException("size " + size);
        }
        Path resolved = Preflight.resolve(target, inputs);
        Opening opened = new Opening(resolved, size, operations, journaling.orElse(null));
        try {
            opened.open(overwrite);
            return new OutputFile(resolved, size, overwrite, operations, opened);
        } catch (RuntimeException e) {
            opened.abandon(e);
            throw e;
        }
    }

    /**
     * What can be known long before the file is made, for work that takes hours until then. Creates nothing, and leaves
     * what an interrupted run has kept.
     *
     * @throws RefusedException as {@link #create(Path, long, Collection, boolean)} does
     */
    public static void check(Path target, Collection<Path> inputs, boolean overwrite) {
        Path resolved = Preflight.resolve(target, inputs);
        for (Path input : inputs) {
            // One that does not exist yet: what the run is going to make and read.
            if (input.toAbsolutePath().normalize().equals(resolved.normalize())) {
                throw new RefusedException(target, "is " + input + ", which is read too", "give it another name");
            }
        }
        // One that is there and has a journal beside it was put in place by a run that could not say so any more.
        if (!overwrite
                && Preflight.exists(target)
                && PartialFile.leftovers(resolved).journals().isEmpty()) {
            throw Preflight.alreadyExists(target);
        }
    }

    /**
     * A file whose contents are at hand, made at once: as {@link #create(Path, long, Collection, boolean)}, write and
     * {@link #commit}.
     *
     * @throws RefusedException as {@link #create(Path, long, Collection, boolean)} does
     * @throws OutputException when it cannot be written; an older file is untouched then
     */
    public static void write(Path target, byte[] contents, Collection<Path> inputs, boolean overwrite) {
        try (OutputFile file = create(target, contents.length, inputs, overwrite)) {
            file.write(ByteBuffer.wrap(contents), 0);
            file.commit();
        }
    }

    /** As {@link #write(Path, byte[], Collection, boolean)}, in UTF-8. */
    public static void write(Path target, String text, Collection<Path> inputs, boolean overwrite) {
        write(target, text.getBytes(StandardCharsets.UTF_8), inputs, overwrite);
    }

    /**
     * Checks that several outputs fit beside each other on the file systems they go to.
     *
     * @param sizes bytes of each output
     * @throws OutputException naming the file system's directory, what is needed and what is free
     */
    public static void requireSpace(Map<Path, Long> sizes, FileOperations operations) {
        Preflight.requireSpace(sizes, operations);
    }

    /** Partial files of this target that an earlier process left and nobody holds any more; they have been deleted. */
    public List<Path> staleRemoved() {
        return opened.removed();
    }

    /** The final name, with a symbolic link followed. */
    public Path target() {
        return target;
    }

    public long size() {
        return size;
    }

    /** The lines that the journal of an earlier run has for this one; empty when nothing is gone on with. */
    public List<String> earlierLines() {
        return opened.earlierLines();
    }

    /** Identity lines of earlier runs that were not gone on with, because they differ from this one's. */
    public List<String> otherIdentities() {
        return opened.otherIdentities();
    }

    /**
     * Whether an earlier run had already moved the file into place and was ended before it could say so. The file can be
     * read and not written; it has the right size, and only its owner can say whether it has the right bytes.
     */
    public boolean isPublished() {
        return opened.isPublished();
    }

    /**
     * What goes into the journal: asked for before each force, written down after it.
     *
     * @param lines what will be true of the bytes written so far once they are forced; no line breaks
     */
    public void checkpoints(Supplier<List<String>> lines) {
        checkpoint = lines;
    }

    /**
     * Writes all remaining bytes at a place of their own. Safe from several threads at once.
     *
     * @throws OutputException in the system's words; the output can then only be closed
     */
    public void write(ByteBuffer bytes, long position) {
        write(bytes, position, () -> {});
    }

    /**
     * As {@link #write(ByteBuffer, long)}.
     *
     * @param written run when the bytes are in the file, and before a checkpoint that they give rise to
     */
    public void write(ByteBuffer bytes, long position, Runnable written) {
        if (position < 0 || position > size - bytes.remaining()) {
            throw new IllegalArgumentException(
                    bytes.remaining() + " bytes at " + position + " leave the " + size + " bytes of " + target);
        }
        try {
            long count = opened.write(bytes, position);
            written.run();
            writeBack.written(count);
        } catch (IOException e) {
            failed.set(true);
            throw OutputException.of(target, "cannot be written", e);
        }
    }

    /**
     * Fills the buffer with what stands in the file now.
     *
     * @throws OutputException in the system's words
     */
    public void read(ByteBuffer bytes, long position) {
        long at = position;
        try {
            while (bytes.hasRemaining()) {
                int count = operations.read(opened.channel(), bytes, at);
                if (count <= 0) {
                    throw new IOException("expected " + size + " bytes, found " + at);
                }
                at += count;
            }
        } catch (IOException e) {
            throw OutputException.of(target, "cannot be read back", e);
        }
    }

    private void force() throws IOException {
        JournalFile journal = opened.journal();
        List<String> lines = journal == null ? List.of() : checkpoint.get();
        operations.force(opened.channel());
        if (journal != null) {
            journal.append(lines);
        }
    }

    /** {@link #prepare}, {@link #publish} and {@link #done}. */
    public Path commit() {
        prepare();
        publish();
        done();
        return target;
    }

    /**
     * Waits until the disk has every byte, so that nothing but the move is left.
     *
     * @throws OutputException when a write failed before, or when forcing fails
     */
    public void prepare() {
        if (closed || moved && !isPublished()) {
            throw new IllegalStateException(target + " is already " + (moved ? "committed" : "closed"));
        }
        if (isPublished()) {
            return;
        }
        if (failed.get()) {
            throw OutputException.of(target, "is incomplete: a write failed before");
        }
        try {
            long written = operations.size(opened.channel());
            if (written != size) {
                throw OutputException.of(target, "expected " + size + " bytes, found " + written);
            }
            writeBack.await();
            // Never retried: after a failed fsync the kernel calls the lost pages clean (Rebello et al., ATC 2020).
            force();
        } catch (IOException e) {
            failed.set(true);
            discarded = true;
            throw OutputException.of(target, "cannot be forced to disk", e);
        }
        prepared = true;
    }

    /**
     * Makes the file appear. When this returns, it survives a power cut, unless its operations do not force.
     *
     * @throws OutputException when moving fails; the old file, if any, is untouched unless the message says that the new
     *     one is in place
     */
    public void publish() {
        if (isPublished()) {
            return;
        }
        if (!prepared || closed || moved) {
            throw new IllegalStateException(target + " is not prepared, or is already published");
        }
        if (!overwrite && Preflight.exists(target)) {
            throw Preflight.alreadyExists(target);
        }
        try {
            operations.move(opened.path(), target);
        } catch (IOException e) {
            failed.set(true);
            throw OutputException.of(
                    target, "cannot be moved into place from " + opened.path().getFileName(), e);
        }
        moved = true;
        Temporaries.ofProcess().remove(opened.path());
        try {
            operations.forceDirectory(Preflight.directoryOf(target));
        } catch (IOException e) {
            throw OutputException.of(target, "is in place and whole, but its directory cannot be forced to disk", e);
        }
    }

    /**
     * Removes what stands under the final name, for good: an old part that must not be seen among new ones.
     *
     * @throws OutputException when it cannot be removed
     */
    public void removeOld() {
        if (!overwrite || !Preflight.exists(target)) {
            return;
        }
        try {
            operations.delete(target);
            operations.forceDirectory(Preflight.directoryOf(target));
        } catch (IOException e) {
            throw OutputException.of(target, "the old file cannot be removed", e);
        }
    }

    /**
     * Removes the file that an earlier run has published ({@link #isPublished}), for good.
     *
     * @throws OutputException when it cannot be removed
     */
    public void withdraw() {
        try {
            operations.delete(target);
            operations.forceDirectory(Preflight.directoryOf(target));
        } catch (IOException e) {
            throw OutputException.of(target, "is in place and cannot be removed", e);
        }
        done = true;
    }

    /** Removes the published file, unless its journal lets the next run go on with it. */
    public void takeBack(Throwable reason) {
        if (moved && !keeps()) {
            try {
                operations.delete(target);
            } catch (IOException e) {
                reason.addSuppressed(OutputException.of(target, "is left behind", e));
            }
        }
    }

    /** Everything that belongs together is published; the journal is not needed any more. */
    public void done() {
        done = true;
    }

    /** Whatever was kept of this output is not worth going on with; {@link #close} deletes it. */
    public void discard() {
        discarded = true;
    }

    /** What is kept when this is closed before it is published, in words for people; empty when nothing is. */
    public Optional<String> kept() {
        return !moved && keeps() ? Optional.of(PartialFile.keptNotice(opened.path())) : Optional.empty();
    }

    private boolean keeps() {
        return !discarded && opened.hasCheckpoints();
    }

    /**
     * Without {@link #publish}, deletes the temporary, or leaves it with its journal for the next run; what stood under
     * the final name stays as it was.
     */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        try (FileChannel _ = opened.channel();
                @Nullable JournalFile _ = opened.journal()) {
            writeBack.await();
        } catch (IOException e) {
            // Of what could not be forced nothing is known any more, and nothing was published that relies on it.
            discarded |= !moved;
        }
        try {
            opened.end(moved, moved ? !done : keeps());
        } catch (IOException e) {
            throw OutputException.of(opened.path(), "is left behind", e);
        }
    }

    /** Where the bytes are until they are published. */
    public Path temporary() {
        return opened.path();
    }
}
