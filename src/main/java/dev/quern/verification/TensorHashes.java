package dev.quern.verification;

import dev.quern.gguf.GgufFile;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import dev.quern.pipeline.Progress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Hashes of a GGUF file's tensors and of all its tensor data together, as llama-gguf-hash computes them: over the bytes
 * of each tensor in file order, without padding and without metadata.
 */
public final class TensorHashes {
    private static final int CHUNK = 1 << 20;

    private TensorHashes() {}

    /**
     * One line of a manifest.
     *
     * @param subject {@code file.gguf:tensor}, or the file's name alone for all of its tensor data
     */
    public record Line(HashKind kind, String value, String subject) {
        /** {@code sha256    c051…  model.gguf:output.weight} */
        public String text() {
            return String.format("%-8s  %s  %s", kind.label(), value, subject);
        }
    }

    /**
     * @param kinds which hashes, computed in one pass
     * @param tensors whether each tensor gets lines of its own (UUIDs are of whole files only)
     * @throws dev.quern.io.InputException when the file is no sound GGUF
     */
    public static List<Line> of(Path path, Set<HashKind> kinds, boolean tensors, Progress progress) {
        try (GgufFile file = GgufFile.openPart(path)) {
            String name = String.valueOf(path.getFileName());
            List<Line> lines = new ArrayList<>();
            Map<HashKind, HashKind.Running> whole = start(kinds);
            progress.begin(
                    "hashing",
                    file.tensors().values().stream()
                            .mapToLong(tensor -> tensor.bytes())
                            .sum());
            for (String tensor : file.tensors().keySet()) {
                Map<HashKind, HashKind.Running> own = start(kinds);
                Region region = file.region(tensor);
                feed(region, List.of(own, whole), progress);
                if (tensors) {
                    own.forEach((kind, hash) -> {
                        if (kind != HashKind.UUID_V5) {
                            lines.add(new Line(kind, hash.finish(), name + ":" + tensor));
                        }
                    });
                }
            }
            whole.forEach((kind, hash) -> lines.add(new Line(kind, hash.finish(), name)));
            progress.end();
            return lines;
        }
    }

    /** The hash of every byte of a file, as sha256sum and its like print it. */
    public static String ofFile(Path path, HashKind kind, Progress progress) {
        try (MappedFile file = MappedFile.open(path)) {
            HashKind.Running hash = kind.start();
            progress.begin("hashing", file.size());
            feed(file.region(), List.of(Map.of(kind, hash)), progress);
            progress.end();
            return hash.finish();
        }
    }

    private static Map<HashKind, HashKind.Running> start(Set<HashKind> kinds) {
        Map<HashKind, HashKind.Running> running = new EnumMap<>(HashKind.class);
        kinds.forEach(kind -> running.put(kind, kind.start()));
        return running;
    }

    private static void feed(Region region, List<Map<HashKind, HashKind.Running>> hashes, Progress progress) {
        byte[] chunk = new byte[CHUNK];
        for (long at = 0; at < region.length(); at += CHUNK) {
            int count = (int) Math.min(CHUNK, region.length() - at);
            region.copyTo(at, chunk, count);
            hashes.forEach(set -> set.values().forEach(hash -> hash.update(chunk, count)));
            progress.advance(count);
        }
    }
}
