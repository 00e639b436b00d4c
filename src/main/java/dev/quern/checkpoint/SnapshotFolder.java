package dev.quern.checkpoint;

import java.nio.file.Path;

/** A directory as it was downloaded: the files of one revision, or links to them in the Hugging Face cache. */
public final class SnapshotFolder {
    private SnapshotFolder() {}

    /**
     * Whether a file belongs to the directory: it lies in it, or the directory is {@code snapshots/REVISION} of the cache
     * and the file {@code blobs/HASH} beside, which the cache's links lead to. Any other link leads out.
     *
     * @param directory without links, as {@link Path#toRealPath} has it
     * @param file without links
     */
    public static boolean holds(Path directory, Path file) {
        if (file.startsWith(directory)) {
            return true;
        }
        Path snapshots = directory.getParent();
        return snapshots != null
                && snapshots.getParent() != null
                && snapshots.endsWith("snapshots")
                && file.startsWith(snapshots.getParent().resolve("blobs"));
    }
}
