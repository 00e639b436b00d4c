package dev.quern.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How an output comes by its file: it goes on with what an earlier run left, if that is wanted and it is the same work;
 * what is left of other work is removed; otherwise there is a new temporary. Two processes never hold the same target:
 * each locks its temporary first, and refuses when it then finds another that is locked.
 */
final class Opening {
    private final Path target;
    private final long size;
    private final FileOperations operations;
    private final OutputFile.@Nullable Journaling journaling;
    private final List<Path> removed = new ArrayList<>();
    private final List<String> otherIdentities = new ArrayList<>();
    private List<String> earlierLines = List.of();
    private @Nullable PartialFile file;
    private @Nullable Path publishedJournal;
    private volatile @Nullable JournalFile journal;

    Opening(Path target, long size, FileOperations operations, OutputFile.@Nullable Journaling journaling) {
        this.target = target;
        this.size = size;
        this.operations = operations;
        this.journaling = journaling;
    }

    void open(boolean overwrite) {
        PartialFile.Leftovers left = PartialFile.leftovers(target);
        if (Preflight.exists(target)) {
            if (openPublished(left)) {
                return;
            }
            if (!overwrite) {
                throw Preflight.alreadyExists(target);
            }
        }
        left.partials().forEach(this::takeOrRemove);
        left.journals().forEach(this::removeJournal);
        if (file == null) {
            Preflight.requireSpace(Preflight.directoryOf(target), size, operations);
            create();
        }
        // Whoever came between has locked a temporary of its own by now.
        for (Path other : PartialFile.leftovers(target).partials()) {
            if (!other.equals(path())) {
                takeOrRemove(other);
            }
        }
    }

    /** An earlier run may have been ended between moving the file into place and removing its journal. */
    private boolean openPublished(PartialFile.Leftovers left) {
        for (Path candidate : left.journals()) {
            JournalFile.Contents contents = read(candidate);
            if (wants(contents)) {
                try {
                    if (Files.size(target) != size) {
                        continue;
                    }
                    file = new PartialFile(target, operations.reopen(target));
                } catch (IOException e) {
                    throw OutputException.of(target, "cannot be read back", e);
                }
                publishedJournal = candidate;
                earlierLines = contents.lines().subList(1, contents.lines().size());
                return true;
            }
        }
        return false;
    }

    private boolean wants(JournalFile.Contents contents) {
        return journaling != null && journaling.resume() && contents.first().equals(journaling.identity());
    }

    private void takeOrRemove(Path partial) {
        PartialFile claimed = PartialFile.claim(target, partial, operations);
        if (claimed == null) {
            return;
        }
        try {
            JournalFile.Contents contents = read(claimed.journal());
            if (file == null
                    && wants(contents)
                    && contents.lines().size() > 1
                    && operations.size(claimed.channel()) == size) {
                journal = Temporaries.ofProcess()
                        .create(partial, () -> true, () -> JournalFile.reopen(claimed.journal(), contents, operations));
                earlierLines = contents.lines().subList(1, contents.lines().size());
                file = claimed;
                return;
            }
            if (contents.lines().size() > 1 && !wants(contents)) {
                otherIdentities.add(contents.first());
            }
            claimed.delete(operations);
            removed.add(partial);
            claimed.channel().close();
        } catch (IOException e) {
            claimed.release();
            throw OutputException.of(partial, "an earlier run's, cannot be removed", e);
        } catch (RuntimeException e) {
            claimed.release();
            throw e;
        }
    }

    private void removeJournal(Path path) {
        try {
            operations.delete(path);
        } catch (IOException e) {
            throw OutputException.of(path, "an earlier run's, cannot be removed", e);
        }
    }

    private void create() {
        PartialFile created = PartialFile.create(target, operations, this::hasCheckpoints);
        file = created;
        if (size > 0) {
            try {
                write(ByteBuffer.allocate(1), size - 1);
            } catch (IOException e) {
                throw OutputException.of(target, "cannot be written", e);
            }
        }
        if (journaling == null) {
            return;
        }
        try {
            journal = Temporaries.ofProcess()
                    .create(
                            created.path(),
                            this::hasCheckpoints,
                            () -> JournalFile.create(created.journal(), journaling.identity(), operations));
            operations.forceDirectory(Preflight.directoryOf(target));
        } catch (IOException e) {
            throw OutputException.of(created.journal(), "cannot be written", e);
        }
    }

    private static JournalFile.Contents read(Path path) {
        try {
            return JournalFile.read(path);
        } catch (IOException e) {
            throw OutputException.of(path, "an earlier run's, cannot be read", e);
        }
    }

    /** @return how many bytes were written: all that remained */
    long write(ByteBuffer bytes, long position) throws IOException {
        long at = position;
        // A disk that fills up answers with a short count first, and only then with an error.
        while (bytes.hasRemaining()) {
            int count = operations.write(channel(), bytes, at);
            if (count <= 0) {
                throw new IOException("the system wrote nothing and gave no reason");
            }
            at += count;
        }
        return at - position;
    }

    /** Nothing came of it: an earlier run's file stays as it is, a new one goes. */
    void abandon(Throwable reason) {
        PartialFile begun = file;
        if (begun == null) {
            return;
        }
        try {
            JournalFile written = journal;
            if (written != null) {
                written.close();
            }
            begun.channel().close();
            end(false, hasCheckpoints());
        } catch (IOException e) {
            reason.addSuppressed(e);
        }
    }

    /**
     * Removes what nobody needs any more.
     *
     * @param moved whether the temporary has got its final name
     * @param keep whether what is left is for the next run
     */
    void end(boolean moved, boolean keep) throws IOException {
        PartialFile begun = held();
        try {
            if (keep) {
                return;
            }
            if (publishedJournal != null) {
                operations.delete(publishedJournal);
            } else if (!moved) {
                begun.delete(operations);
            } else if (journaling != null) {
                operations.delete(begun.journal());
            }
        } finally {
            Temporaries.ofProcess().remove(begun.path());
        }
    }

    private PartialFile held() {
        PartialFile begun = file;
        if (begun == null) {
            throw new IllegalStateException(target + " is not open");
        }
        return begun;
    }

    FileChannel channel() {
        return held().channel();
    }

    Path path() {
        return held().path();
    }

    @Nullable
    JournalFile journal() {
        return journal;
    }

    /** Whether the journal says more than what the work is. */
    boolean hasCheckpoints() {
        JournalFile written = journal;
        return publishedJournal != null || written != null && written.lines() > 1;
    }

    boolean isPublished() {
        return publishedJournal != null;
    }

    OutputFile.@Nullable Journaling journaling() {
        return journaling;
    }

    List<Path> removed() {
        return List.copyOf(removed);
    }

    List<String> earlierLines() {
        return earlierLines;
    }

    List<String> otherIdentities() {
        return List.copyOf(otherIdentities);
    }
}
