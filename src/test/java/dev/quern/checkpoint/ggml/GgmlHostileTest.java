package dev.quern.checkpoint.ggml;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every way a file of llama.cpp before GGUF can be wrong, each with its message. */
class GgmlHostileTest {
    @TempDir
    Path directory;

    /** A GGJT file of two tokens and a tensor "w" of 2 times 4 floats. */
    private static final class Ggjt {
        int magic = 0x67676a74;
        int version = 3;
        int vocabulary = 2;
        int tokenBytes = 1;
        float score = -1;
        int rank = 2;
        byte[] name = {'w'};
        int nameBytes = 1;
        int type;
        int[] dims = {4, 2};
        int dataBytes = 32;
        int copies = 1;

        byte[] bytes() {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            put(out, magic, version, vocabulary, 4, 4, 1, 1, 4, 0);
            for (int token = 0; token < 2; token++) {
                put(out, tokenBytes);
                out.write('a');
                put(out, Float.floatToRawIntBits(score));
            }
            for (int copy = 0; copy < copies; copy++) {
                put(out, rank, nameBytes, type);
                put(out, dims);
                out.writeBytes(name);
                out.writeBytes(new byte[-out.size() & 31]);
                out.writeBytes(new byte[dataBytes]);
            }
            return out.toByteArray();
        }

        private static void put(ByteArrayOutputStream out, int... numbers) {
            ByteBuffer buffer = ByteBuffer.allocate(4 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
            buffer.asIntBuffer().put(numbers);
            out.writeBytes(buffer.array());
        }
    }

    private void refused(Consumer<Ggjt> damage, String message) {
        Ggjt file = new Ggjt();
        damage.accept(file);
        refused(file.bytes(), message);
    }

    private void refused(byte[] bytes, String message) {
        Path path = Hostile.write(directory, "model.bin", bytes);
        try (MappedFile file = MappedFile.open(path)) {
            Hostile.assertRefused(path, message, () -> GgmlFile.read(file));
        }
    }

    @Test
    void theRightOneIsRead() {
        Path path = Hostile.write(directory, "model.bin", new Ggjt().bytes());
        try (MappedFile file = MappedFile.open(path)) {
            assertThat(GgmlFile.read(file).tensors()).containsOnlyKeys("w");
        }
    }

    @Test
    void versionsThatNeverWere() {
        refused(file -> file.version = 0, "GGJT version 0 never was");
        refused(file -> file.version = -1, "GGJT version 4294967295 never was");
        refused(file -> file.magic = 0x67676d66, "GGMF version 3 never was");
    }

    @Test
    void adapter() {
        refused(file -> file.magic = 0x67676c61, "is a LoRA adapter of llama.cpp from 2023, not a model");
    }

    @Test
    void vocabularyBeyondTheFile() {
        refused(file -> file.vocabulary = -1, "header: expected at most 11 tokens, found 4294967295");
        refused(file -> file.vocabulary = 12, "header: expected at most 11 tokens, found 12");
    }

    @Test
    void tokenBeyondTheFile() {
        refused(file -> file.tokenBytes = -1, "token 0: expected a text of at most 88 bytes, found 4294967295");
        refused(file -> file.tokenBytes = 89, "token 0: expected a text of at most 88 bytes, found 89");
    }

    @Test
    void scoreThatIsNoNumber() {
        refused(file -> file.score = Float.NaN, "token 0: has the score NaN");
    }

    @Test
    void tensors() {
        refused(file -> file.rank = 0, "tensor 0: expected 1 to 4 dimensions, found 0");
        refused(file -> file.rank = 5, "tensor 0: expected 1 to 4 dimensions, found 5");
        refused(file -> file.nameBytes = 256, "tensor 0: expected a text of at most 54 bytes, found 256");
        refused(file -> file.name = new byte[] {(byte) 0xff}, "tensor 0: has a name that is not valid UTF-8");
        refused(file -> file.copies = 2, "tensor \"w\": comes twice");
        refused(file -> file.copies = 0, "header: holds no tensors");
    }

    @Test
    void types() {
        refused(file -> file.type = 4, "tensor \"w\": is of type 4, which GGJT v3 files do not have");
        refused(file -> file.type = 9, "tensor \"w\": is of type 9, which GGJT v3 files do not have");
        refused(file -> file.type = -1, "tensor \"w\": is of type 4294967295, which GGJT v3 files do not have");
        refused(
                file -> {
                    file.version = 2;
                    file.type = 10;
                },
                "tensor \"w\": is of type 10, which GGJT v2 files do not have");
        refused(file -> file.type = 2, "tensor \"w\": expected rows of whole Q4_0 blocks of 32, found rows of 4");
    }

    @Test
    void sizes() {
        refused(file -> file.dims = new int[] {4, 3}, "tensor \"w\": expected 48 bytes for F32 [3, 4], 32 are left");
        refused(file -> file.dims = new int[] {-1, -1}, "tensor \"w\": has more than 2^63-1 elements");
        refused(file -> file.dims = new int[] {1 << 31, -1}, "tensor \"w\": has more than 2^63-1 bytes");
        refused(file -> file.dataBytes = 0, "tensor \"w\": expected 32 bytes for F32 [2, 4], 0 are left");
    }

    @Test
    void cutAnywhereOrDamagedAnywhere() {
        byte[] whole = new Ggjt().bytes();
        Random random = new Random(7);
        for (int length = 4; length < whole.length; length++) {
            assertOnlyRefused(Arrays.copyOf(whole, length), true);
        }
        for (int at = 4; at < whole.length; at++) {
            byte[] damaged = whole.clone();
            damaged[at] ^= (byte) (1 + random.nextInt(255));
            assertOnlyRefused(damaged, false);
        }
    }

    private void assertOnlyRefused(byte[] bytes, boolean always) {
        Path path = Hostile.write(directory, "model.bin", bytes);
        try (MappedFile file = MappedFile.open(path)) {
            Throwable thrown = Hostile.bounded(() -> GgmlFile.read(file));
            if (always || thrown != null) {
                assertThat(thrown).isInstanceOf(InputException.class);
            }
        }
    }
}
