package dev.quern.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/**
 * The real file system of one directory, which remembers everything that was done to it, and can say what a power cut at
 * any moment could leave: all that was forced, and of the rest any part, writes torn or lost, the directory as it was at
 * some moment since it was forced last.
 */
public final class RecordedDisk implements FileOperations {
    private sealed interface Step {}

    private record Write(Object file, long position, byte[] bytes) implements Step {}

    /** @param before steps that had ended when the force began */
    private record Force(Object file, int before) implements Step {}

    private sealed interface DirectoryStep extends Step {}

    private record Create(Object file, String name) implements DirectoryStep {}

    private record Move(String from, String to) implements DirectoryStep {}

    private record Delete(String name) implements DirectoryStep {}

    /** @param before steps that had ended when the force began */
    private record ForceDirectory(int before) implements Step {}

    private final Map<String, byte[]> initial = new LinkedHashMap<>();
    private final List<Step> steps = new ArrayList<>();
    private final IdentityHashMap<FileChannel, Object> files = new IdentityHashMap<>();

    /** @param directory with what is there, and safe, before anything is recorded */
    public RecordedDisk(Path directory) throws IOException {
        try (var found = Files.list(directory)) {
            for (Path file : found.toList()) {
                initial.put(file.getFileName().toString(), Files.readAllBytes(file));
            }
        }
    }

    /** Moments at which the power may be cut: after none, one, … all of the steps. */
    public int moments() {
        return steps.size() + 1;
    }

    /** What is left of what was not forced. */
    public enum Unforced {
        LOST,
        KEPT,
        ANY
    }

    /** Fills an empty directory with what a power cut left. */
    public void cut(int moment, Unforced unforced, Random random, Path directory) throws IOException {
        IdentityHashMap<Object, byte[]> contents = contents(moment, unforced, random);
        int safe = 0;
        for (Step step : steps.subList(0, moment)) {
            if (step instanceof ForceDirectory force) {
                safe = Math.max(safe, force.before);
            }
        }
        int seen = switch (unforced) {
            case LOST -> safe;
            case KEPT -> moment;
            case ANY -> safe + random.nextInt(moment - safe + 1);
        };
        Map<String, byte[]> names = new LinkedHashMap<>(initial);
        for (Step step : steps.subList(0, seen)) {
            switch (step) {
                case Create create -> names.put(create.name, contents.getOrDefault(create.file, new byte[0]));
                case Move move -> names.put(move.to, Objects.requireNonNull(names.remove(move.from)));
                case Delete delete -> names.remove(delete.name);
                case Write write -> {}
                case Force force -> {}
                case ForceDirectory force -> {}
            }
        }
        for (Map.Entry<String, byte[]> file : names.entrySet()) {
            Files.write(directory.resolve(file.getKey()), file.getValue());
        }
    }

    private IdentityHashMap<Object, byte[]> contents(int moment, Unforced unforced, Random random) {
        IdentityHashMap<Object, Integer> safe = new IdentityHashMap<>();
        for (Step step : steps.subList(0, moment)) {
            if (step instanceof Force force) {
                safe.merge(force.file, force.before, Math::max);
            }
        }
        IdentityHashMap<Object, byte[]> contents = new IdentityHashMap<>();
        for (int i = 0; i < moment; i++) {
            if (!(steps.get(i) instanceof Write write)) {
                continue;
            }
            int kept = write.bytes.length;
            if (i >= safe.getOrDefault(write.file, 0)) {
                kept = switch (unforced) {
                    case LOST -> 0;
                    case KEPT -> kept;
                    case ANY -> random.nextInt(3) * kept / 2;
                };
            }
            if (kept == 0) {
                continue;
            }
            byte[] before = contents.getOrDefault(write.file, new byte[0]);
            byte[] after = Arrays.copyOf(before, Math.max(before.length, (int) write.position + kept));
            System.arraycopy(write.bytes, 0, after, (int) write.position, kept);
            contents.put(write.file, after);
        }
        return contents;
    }

    private synchronized int now() {
        return steps.size();
    }

    private synchronized void add(Step step) {
        steps.add(step);
    }

    private synchronized Object file(FileChannel channel) {
        return files.computeIfAbsent(channel, opened -> new Object());
    }

    @Override
    public FileChannel create(Path path) throws IOException {
        FileChannel channel = FileOperations.super.create(path);
        add(new Create(file(channel), path.getFileName().toString()));
        return channel;
    }

    @Override
    public FileChannel reopen(Path path) {
        throw new UnsupportedOperationException("only what is new is recorded");
    }

    @Override
    public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        int count = FileOperations.super.write(channel, bytes, position);
        add(new Write(file(channel), position, Arrays.copyOf(copy, count)));
        return count;
    }

    @Override
    public void force(FileChannel channel) {
        add(new Force(file(channel), now()));
    }

    @Override
    public void forceDirectory(Path directory) {
        add(new ForceDirectory(now()));
    }

    @Override
    public void move(Path from, Path to) throws IOException {
        FileOperations.super.move(from, to);
        add(new Move(from.getFileName().toString(), to.getFileName().toString()));
    }

    @Override
    public void delete(Path path) throws IOException {
        boolean there = Files.exists(path);
        FileOperations.super.delete(path);
        if (there) {
            add(new Delete(path.getFileName().toString()));
        }
    }
}
