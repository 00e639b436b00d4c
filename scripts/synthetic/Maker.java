package synthetic;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/** Makes what a {@link Request} asks for. */
public final class Maker {
    private Maker() {}

    /** Returns how many bytes the files have, holes included. */
    public static long make(Request request) throws IOException {
        Path folder = request.folder();
        List<CheckpointFile> files = switch (request.layout()) {
            case HF ->
                new HuggingFace(request.shape(), request.dtype(), request.seed())
                        .files(folder, request.shards(), request.maxShardSize());
            case META -> Meta.files(folder, request.shape(), request.dtype(), request.seed(), request.shards());
        };
        long size = files.stream().mapToLong(CheckpointFile::size).sum();
        Files.createDirectories(folder);
        refuseWhereNoPlace(folder, request, size);
        FileWriter writer = new FileWriter(request.dtype(), request.seed(), request.sparse(), request.threads());
        for (CheckpointFile file : files) {
            writer.write(file);
        }
        if (request.checklist()) {
            writeChecklist(folder, files);
        }
        return size;
    }

    private static void refuseWhereNoPlace(Path folder, Request request, long size) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            if (!request.force() && entries.findAny().isPresent()) {
                throw new Refusal(folder + " is not empty; --force writes there nevertheless");
            }
        }
        long free = Files.getFileStore(folder).getUsableSpace();
        if (!request.sparse() && free < size) {
            throw new Refusal(folder + ": the checkpoint needs " + size + " bytes, " + free + " are free");
        }
    }

    /** As md5sum prints it. */
    private static void writeChecklist(Path folder, List<CheckpointFile> files) throws IOException {
        StringBuilder list = new StringBuilder();
        for (CheckpointFile file : files) {
            list.append(md5(file.path()))
                    .append("  ")
                    .append(file.path().getFileName())
                    .append('\n');
        }
        Files.writeString(folder.resolve("checklist.chk"), list);
    }

    private static String md5(Path file) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("MD5");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has MD5", e);
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] buffer = new byte[1 << 20];
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
