package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.OutputFile;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Hash and checksum of a tensor whose parts come as they like are those of the tensor. */
class TensorChecksTest {
    private static final int POSITION = 96;

    @TempDir
    private Path folder;

    private final byte[] tensor = bytes(1 << 20, 5);

    private static byte[] bytes(int count, long seed) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private OutputFile output() {
        return OutputFile.create(folder.resolve("out"), POSITION + tensor.length, List.of(), false);
    }

    private static int crc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static String sha256(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void partsInAnyOrderFromSeveralThreads(int threads) throws Exception {
        int part = 8191;
        try (OutputFile file = output();
                ExecutorService workers = Executors.newFixedThreadPool(threads)) {
            TensorHash hash = new TensorHash(file, POSITION, tensor.length);
            TensorExtent extent = new TensorExtent(file, POSITION, tensor.length);
            List<Callable<Integer>> parts = new ArrayList<>();
            for (int from = 0; from < tensor.length; from += part) {
                int begin = from;
                int count = Math.min(part, tensor.length - from);
                parts.add(() -> {
                    byte[] copy = Arrays.copyOfRange(tensor, begin, begin + count);
                    file.write(ByteBuffer.wrap(copy), POSITION + begin);
                    hash.written(begin, copy, count);
                    extent.written(begin, copy, count);
                    // As a worker does with its buffer.
                    Arrays.fill(copy, (byte) 0);
                    return count;
                });
            }
            Collections.shuffle(parts, new Random(threads));
            for (Future<Integer> done : workers.invokeAll(parts)) {
                assertThat(done.get()).isPositive();
            }
            assertThat(hash.sha256()).isEqualTo(sha256(tensor));
            assertThat(extent.isComplete()).isTrue();
            assertThat(extent.prefix()).isEqualTo(new TensorExtent.Prefix(tensor.length, crc(tensor)));
        }
    }

    @Test
    void aPrefixIsGoneOnWithOnlyIfItIsThere() throws Exception {
        int length = 300_001;
        byte[] front = Arrays.copyOf(tensor, length);
        try (OutputFile file = output()) {
            file.write(ByteBuffer.wrap(tensor), POSITION);
            TensorExtent extent = new TensorExtent(file, POSITION, tensor.length);
            assertThat(extent.restore(new TensorExtent.Prefix(length, crc(front) + 1)))
                    .isFalse();
            assertThat(extent.prefix().bytes()).isZero();
            assertThat(extent.restore(new TensorExtent.Prefix(tensor.length + 1L, 0)))
                    .isFalse();
            assertThat(extent.restore(new TensorExtent.Prefix(length, crc(front))))
                    .isTrue();
            TensorHash hash = new TensorHash(file, POSITION, tensor.length);
            hash.restore(length);
            assertThatThrownBy(hash::sha256)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("300001 of 1048576 bytes written");
            byte[] rest = Arrays.copyOfRange(tensor, length, tensor.length);
            extent.written(length, rest, rest.length);
            hash.written(length, rest, rest.length);
            assertThat(extent.prefix()).isEqualTo(new TensorExtent.Prefix(tensor.length, crc(tensor)));
            assertThat(hash.sha256()).isEqualTo(sha256(tensor));
        }
    }

    @Test
    void checksumsOfPiecesJoin() {
        Random random = new Random(9);
        for (int length : new int[] {0, 1, 2, 7, 8, 9, 255, 4096, 65_537}) {
            byte[] front = bytes(random.nextInt(1000), length);
            byte[] behind = bytes(length, length + 1);
            byte[] both = Arrays.copyOf(front, front.length + behind.length);
            System.arraycopy(behind, 0, both, front.length, behind.length);
            assertThat(Checksum.joined(crc(front), crc(behind), behind.length)).isEqualTo(crc(both));
        }
    }
}
