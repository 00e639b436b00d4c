package dev.quern.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.ggml.GgmlFile;
import dev.quern.checkpoint.ggml.GgmlVersion;
import dev.quern.checkpoint.safetensors.SafetensorsFile;
import dev.quern.checkpoint.torch.TorchContainer;
import dev.quern.checkpoint.torch.TorchFile;
import dev.quern.checkpoint.torch.TorchScan;
import dev.quern.gguf.GgufFile;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every fixture file of every container, cut at every byte below 4 KiB and damaged at random from a fixed seed: whatever
 * comes out is a file that is read, or an InputException in little time and memory. For longer runs, and other seeds:
 * {@code -Dquern.fuzz.rounds=100000 -Dquern.fuzz.seed=7}, or {@code scripts/fuzz}.
 */
class MutationTest {
    private static final int ROUNDS = Integer.getInteger("quern.fuzz.rounds", 100);
    private static final long SEED = Long.getLong("quern.fuzz.seed", 20261123);
    private static final int CUT_BELOW = 4096;
    private static final int MOST_READ = 1 << 16;

    private static final long[] EXTREMES = {
        0,
        1,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0xffff,
        0x7fff_ffffL,
        0x8000_0000L,
        0xffff_ffffL,
        1L << 32,
        1L << 60,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        -1
    };

    @TempDir
    Path directory;

    static Stream<Path> fixtures() {
        return Stream.of("torch", "torch-1.13", "ggml", "safetensors", "gguf")
                .flatMap(folder -> files(Path.of("test-data", folder)).stream())
                .filter(file -> !file.toString().endsWith(".json"));
    }

    private static List<Path> files(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void cutAtEveryByte(Path fixture) throws IOException {
        byte[] whole = Files.readAllBytes(fixture);
        Path path = Hostile.write(directory, "damaged.bin", whole);
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
            for (int length = Math.min(CUT_BELOW, whole.length) - 1; length >= 0; length--) {
                file.truncate(length);
                check(path, "cut to " + length);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void damagedAtRandom(Path fixture) throws IOException {
        byte[] whole = Files.readAllBytes(fixture);
        List<Path> others = fixtures().toList();
        for (int round = 0; round < ROUNDS; round++) {
            Random random = new Random(SEED + 1_000_003L * round);
            byte[] damaged = whole;
            for (int times = 1 + random.nextInt(3); times > 0; times--) {
                damaged = damage(damaged, random, others);
            }
            check(Hostile.write(directory, "damaged.bin", damaged), "seed " + SEED + ", round " + round);
        }
    }

    /** Mostly near the front, where the headers are, or near the end, where a zip has its directory. */
    private static int place(byte[] bytes, Random random) {
        int near = Math.min(bytes.length, 2048);
        return switch (random.nextInt(3)) {
            case 0 -> random.nextInt(near);
            case 1 -> bytes.length - 1 - random.nextInt(near);
            default -> random.nextInt(bytes.length);
        };
    }

    private static byte[] damage(byte[] bytes, Random random, List<Path> others) throws IOException {
        if (bytes.length < 16) {
            return bytes;
        }
        byte[] out = bytes.clone();
        int at = place(bytes, random);
        switch (random.nextInt(6)) {
            case 0 -> out[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> out[at] = (byte) random.nextInt(256);
            case 2 -> {
                int width = 1 << random.nextInt(4);
                byte[] number = ByteBuffer.allocate(8)
                        .order(random.nextInt(8) == 0 ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN)
                        .putLong(EXTREMES[random.nextInt(EXTREMES.length)] + random.nextInt(3) - 1)
                        .array();
                System.arraycopy(number, 0, out, Math.min(at, out.length - 8), width);
            }
            case 3 -> out = spliced(bytes, at, Files.readAllBytes(others.get(random.nextInt(others.size()))), random);
            case 4 -> out = spliced(bytes, at, bytes, random);
            default -> {
                int count = Math.min(1 + random.nextInt(64), bytes.length - at);
                out = new byte[bytes.length - count];
                System.arraycopy(bytes, 0, out, 0, at);
                System.arraycopy(bytes, at + count, out, at, out.length - at);
            }
        }
        return out;
    }

    /** Some bytes of another file written over, or put between, those of this one. */
    private static byte[] spliced(byte[] bytes, int at, byte[] other, Random random) {
        int count = Math.min(1 + random.nextInt(128), other.length);
        int from = random.nextInt(other.length - count + 1);
        if (random.nextBoolean()) {
            byte[] out = bytes.clone();
            System.arraycopy(other, from, out, at, Math.min(count, out.length - at));
            return out;
        }
        byte[] out = new byte[bytes.length + count];
        System.arraycopy(bytes, 0, out, 0, at);
        System.arraycopy(other, from, out, at, count);
        System.arraycopy(bytes, at, out, at + count, bytes.length - at);
        return out;
    }

    private static void check(Path path, String how) {
        Throwable thrown = Hostile.bounded(() -> readWhole(path));
        if (thrown != null) {
            assertThat(thrown).as(how).isInstanceOf(InputException.class);
            assertThat(thrown.getMessage()).as(how).startsWith(path.toString()).doesNotContain("\n");
        }
    }

    /** As the program does: decides by content, reads every header, then rows; and lists the pickles. */
    static void readWhole(Path path) {
        if (GgufFile.isGguf(path)) {
            try (GgufFile file = GgufFile.openPart(path)) {
                readRows(file.graph().sources());
            }
            return;
        }
        try (MappedFile file = MappedFile.open(path)) {
            if (GgmlVersion.looksLike(file)) {
                readRows(GgmlFile.read(file).tensors().values());
            } else if (SafetensorsFile.looksLike(file)) {
                readRows(SafetensorsFile.read(file).tensors().values());
            } else {
                TorchContainer.of(file);
                TorchScan.pickles(file);
                TorchFile torch = TorchFile.read(file);
                readRows(torch.tensors().values());
                torch.verifyChecksums();
            }
        }
    }

    private static void readRows(Collection<TensorSource> tensors) {
        for (TensorSource tensor : tensors) {
            long length = tensor.info().shape().rowLength();
            if (length > 0 && length <= MOST_READ && tensor.info().shape().elements() > 0) {
                float[] row = new float[(int) length];
                tensor.readRows(0, 1, row, 0);
                tensor.readRows(tensor.info().shape().rows() - 1, 1, row, 0);
            }
        }
    }
}
