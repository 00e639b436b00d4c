package dev.quern.checkpoint.torch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorSource;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every way a file of the format before PyTorch 1.6 can be wrong, each with its message. */
class LegacyTest {
    private static final byte[] MAGIC = {
        (byte) 0x80,
        2,
        (byte) 0x8a,
        10,
        0x6c,
        (byte) 0xfc,
        (byte) 0x9c,
        0x46,
        (byte) 0xf9,
        0x20,
        0x6a,
        (byte) 0xa8,
        0x50,
        0x19,
        '.'
    };

    @TempDir
    Path directory;

    /** A file of two storages of four floats, "0" with 1 to 4 and "1" with 5 to 8, and the tensors "v" and "w". */
    private static final class Legacy {
        byte[] magic = MAGIC;
        byte[] protocol = PickleWriter.protocol2().integer(1001).op('.').bytes();
        byte[] machine = machine(true);
        long recorded = 4;
        byte[] view = {'N'};
        String type = "FloatStorage";
        String module = "torch";
        byte[] keys = keys("0", "1");
        long firstCount = 4;
        long[] order = {0, 1};
        byte[] after = {};

        byte[] bytes() {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            for (byte[] part : new byte[][] {magic, protocol, machine, object(), keys}) {
                out.writeBytes(part);
            }
            for (long key : order) {
                ByteBuffer storage = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
                storage.putLong(key == 0 ? firstCount : 4);
                for (int i = 1; i <= 4; i++) {
                    storage.putFloat((float) (4 * key + i));
                }
                out.writeBytes(storage.array());
            }
            out.writeBytes(after);
            return out.toByteArray();
        }

        private byte[] object() {
            PickleWriter pickle = PickleWriter.protocol2().op('}', '(');
            tensor(pickle.text("v"), "0", recorded, view);
            tensor(pickle.text("w"), "1", 4, new byte[] {'N'});
            return pickle.end().bytes();
        }

        private void tensor(PickleWriter pickle, String key, long elements, byte[] viewOf) {
            pickle.global("torch._utils", "_rebuild_tensor_v2")
                    .op('(', '(')
                    .text("storage")
                    .global(module, type)
                    .text(key)
                    .text("cpu")
                    .integer(elements)
                    .raw(viewOf)
                    .op('t', 'Q')
                    .integer(0)
                    .integers(2)
                    .integers(1)
                    .rest();
        }
    }

    private static byte[] machine(boolean little) {
        return PickleWriter.protocol2()
                .dict("protocol_version")
                .integer(1001)
                .text("little_endian")
                .op(little ? 0x88 : 0x89)
                .end()
                .bytes();
    }

    private static byte[] keys(String... keys) {
        PickleWriter pickle = PickleWriter.protocol2().op(']', '(');
        for (String key : keys) {
            pickle.text(key);
        }
        return pickle.op('e', '.').bytes();
    }

    private static byte[] view(long first, long elements) {
        return new PickleWriter()
                .op('(')
                .text("140000")
                .integer(first)
                .integer(elements)
                .op('t')
                .bytes();
    }

    private void refused(Consumer<Legacy> damage, String message) {
        Legacy file = new Legacy();
        damage.accept(file);
        refused(file.bytes(), message);
    }

    private void refused(byte[] bytes, String message) {
        Path path = Hostile.write(directory, "model.bin", bytes);
        try (MappedFile file = MappedFile.open(path)) {
            Hostile.assertRefused(path, message, () -> TorchFile.read(file));
        }
    }

    private Map<String, float[]> read(Consumer<Legacy> change) {
        Legacy legacy = new Legacy();
        change.accept(legacy);
        Path path = Hostile.write(directory, "model.bin", legacy.bytes());
        try (MappedFile file = MappedFile.open(path)) {
            Map<String, TensorSource> tensors =
                    Hostile.read(() -> TorchFile.read(file)).tensors();
            return Map.of("v", values(tensors, "v"), "w", values(tensors, "w"));
        }
    }

    private static float[] values(Map<String, TensorSource> tensors, String name) {
        float[] values = new float[2];
        Objects.requireNonNull(tensors.get(name)).readRows(0, 1, values, 0);
        return values;
    }

    @Test
    void theRightOneIsRead() {
        assertThat(read(file -> {}).get("v")).containsExactly(1, 2);
        assertThat(read(file -> {}).get("w")).containsExactly(5, 6);
    }

    @Test
    void l1OtherMagicNumber() {
        refused(
                file -> {
                    file.magic = MAGIC.clone();
                    file.magic[13] ^= 1;
                },
                "expected safetensors or a file of torch.save, found a file that is a bare pickle, not a file of"
                        + " torch.save");
    }

    @Test
    void l2OtherProtocolVersion() {
        refused(
                file -> file.protocol =
                        PickleWriter.protocol2().integer(1000).op('.').bytes(),
                "has another protocol version than 1001");
        refused(
                file -> file.protocol =
                        PickleWriter.protocol2().text("1001").op('.').bytes(),
                "has another protocol version than 1001");
    }

    /** The magic number is compared as bytes, so a pickle that would compute it is a bare pickle. */
    @Test
    void l3MagicNumberThatIsComputed() {
        refused(
                file -> file.magic = PickleWriter.protocol2()
                        .global("__builtin__", "eval")
                        .op('(')
                        .text("0x1950a86a20f9469cfc6c")
                        .op('t', 'R', '.')
                        .bytes(),
                "expected safetensors or a file of torch.save, found a file that is a bare pickle, not a file of"
                        + " torch.save");
    }

    /** The reference never looks; a file that says so was made by a machine of which nothing is known. */
    @Test
    void l4BigEndianMachine() {
        refused(file -> file.machine = machine(false), "was not written on a little-endian machine");
        refused(
                file -> file.machine = PickleWriter.protocol2().op(']', '.').bytes(),
                "holds no dict of facts about the machine it was written on");
    }

    @Test
    void l5CountAboveThePickles() {
        refused(file -> file.firstCount = 5, "storage 0: expected 4 elements, found 5");
    }

    @Test
    void l6CountBelowThePickles() {
        refused(file -> file.firstCount = 3, "storage 0: expected 4 elements, found 3");
    }

    @Test
    void l7CountOfMinusOne() {
        refused(file -> file.firstCount = -1, "storage 0: expected 4 elements, found -1");
    }

    @Test
    void l8CountOf2To60() {
        refused(file -> file.firstCount = 1L << 60, "storage 0: expected 4 elements, found 1152921504606846976");
    }

    @Test
    void l9DataCutShort() {
        byte[] whole = new Legacy().bytes();
        refused(Arrays.copyOf(whole, whole.length - 1), "storage 1: expected 16 bytes, the file ends after 15");
        refused(Arrays.copyOf(whole, whole.length - 20), "storage 1: expected 8 bytes, the file ends after 4");
    }

    /** The reference returns such a tensor with whatever was in its memory. */
    @Test
    void l10KeyMissingFromTheList() {
        refused(
                file -> {
                    file.keys = keys("0");
                    file.order = new long[] {0};
                },
                "storage 1 is not in the list of storage keys");
    }

    @Test
    void l11KeyThatNoTensorRefersTo() {
        refused(file -> file.keys = keys("0", "1", "2"), "lists a storage that no tensor refers to");
    }

    /** The reference keeps the last one's data. */
    @Test
    void l12KeyTwice() {
        refused(
                file -> {
                    file.keys = keys("0", "0", "1");
                    file.order = new long[] {0, 0, 1};
                },
                "lists storage 0 twice");
    }

    /** The reference ignores them. */
    @Test
    void l13BytesBehindTheLastStorage() {
        refused(file -> file.after = "and more".getBytes(StandardCharsets.US_ASCII), "8 bytes after the last storage");
    }

    @Test
    void l14ViewOutsideItsStorage() {
        refused(
                file -> file.view = view(3, 2),
                "object: BINPERSID has a view of 2 elements from 3 on into storage 0, which holds 4");
        refused(
                file -> file.view = view(-1, 2),
                "object: BINPERSID has a view of 2 elements from -1 on into storage 0, which holds 4");
        refused(
                file -> file.view = view(1, -2),
                "object: BINPERSID has a view of -2 elements from 1 on into storage 0, which holds 4");
        refused(
                file -> file.view = new byte[] {')'},
                "object: BINPERSID has a storage view that is a tuple of 0, expected None or a key, a place and a"
                        + " count");
        refused(file -> file.view = view(2, 1), "tensor \"v\": reaches element 1 of a storage that holds 1");
    }

    @Test
    void l15ViewIntoItsStorage() {
        assertThat(read(file -> file.view = view(1, 3)).get("v")).containsExactly(2, 3);
    }

    @Test
    void l16StorageOf2To50() {
        refused(
                file -> {
                    file.recorded = 1L << 50;
                    file.firstCount = 1L << 50;
                },
                "storage 0: expected 4503599627370496 bytes, the file ends after 40");
    }

    @Test
    void l17Tar() {
        byte[] tar = new byte[512];
        System.arraycopy("ustar".getBytes(StandardCharsets.US_ASCII), 0, tar, 257, 5);
        refused(
                tar,
                "expected safetensors or a file of torch.save, found a file that is a tar file, as torch 0.1 wrote");
    }

    @Test
    void l18BarePickleOfADict() {
        refused(
                PickleWriter.protocol2().dict("w").integer(1).end().bytes(),
                "expected safetensors or a file of torch.save, found a file that is a bare pickle, not a file of"
                        + " torch.save");
    }

    @Test
    void l19KeysInAnyOrder() {
        Map<String, float[]> values = read(file -> {
            file.keys = keys("1", "0");
            file.order = new long[] {1, 0};
        });
        assertThat(values.get("v")).containsExactly(1, 2);
        assertThat(values.get("w")).containsExactly(5, 6);
    }

    /** torch 2.13 writes such files, {@code legacy-newer-types.pt} among the fixtures, and cannot read them. */
    @Test
    void l20UntypedStorage() {
        refused(
                file -> {
                    file.module = "torch.storage";
                    file.type = "UntypedStorage";
                },
                "object: REDUCE calls torch._utils._rebuild_tensor_v2: an untyped storage has no element type");
    }

    @Test
    void listThatIsNone() {
        refused(
                file -> file.keys = PickleWriter.protocol2().op('}', '.').bytes(),
                "has a dict where the list of storage keys belongs");
        refused(
                file -> file.keys = PickleWriter.protocol2()
                        .op(']', '(')
                        .integer(0)
                        .op('e', '.')
                        .bytes(),
                "lists the integer 0 as a storage key, expected a text");
    }

    @Test
    void idsHaveSixParts() {
        refused(file -> file.view = new byte[0], "object: BINPERSID has a persistent id of 5 parts, expected 6");
    }

    @Test
    void cutAnywhereOrDamagedAnywhere() {
        byte[] whole = new Legacy().bytes();
        for (int length = 0; length < whole.length; length++) {
            assertOnlyRefused(Arrays.copyOf(whole, length), true);
        }
        for (int at = 0; at < whole.length; at++) {
            byte[] damaged = whole.clone();
            damaged[at] ^= 0x15;
            assertOnlyRefused(damaged, false);
        }
    }

    private void assertOnlyRefused(byte[] bytes, boolean always) {
        Path path = Hostile.write(directory, "model.bin", bytes);
        try (MappedFile file = MappedFile.open(path)) {
            Throwable thrown = Hostile.bounded(() -> TorchFile.read(file));
            if (always || thrown != null) {
                assertThat(thrown).isInstanceOf(dev.quern.io.InputException.class);
            }
        }
    }
}
