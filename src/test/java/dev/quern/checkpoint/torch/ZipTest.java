package dev.quern.checkpoint.torch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.MappedFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every way the zip around a right pickle can be wrong, each with its message. */
class ZipTest {
    private static final byte[] PICKLE = PickleWriter.protocol2()
            .dict("w")
            .tensor("0", 4, 0, new long[] {4}, new long[] {1})
            .end()
            .bytes();

    @TempDir
    Path directory;

    private static ZipWriter zip() {
        return ZipWriter.torch(PICKLE, 1, 2, 3, 4);
    }

    private void refused(byte[] bytes, String message) {
        Path path = Hostile.write(directory, "model.pt", bytes);
        try (MappedFile file = MappedFile.open(path)) {
            Hostile.assertRefused(path, message, () -> TorchFile.read(file));
        }
    }

    private void refused(Consumer<ZipWriter> damage, String message) {
        ZipWriter zip = zip();
        damage.accept(zip);
        refused(zip.bytes(), message);
    }

    private List<String> read(Consumer<ZipWriter> change) {
        ZipWriter zip = zip();
        change.accept(zip);
        Path path = Hostile.write(directory, "model.pt", zip.bytes());
        try (MappedFile file = MappedFile.open(path)) {
            TorchFile torch = Hostile.read(() -> TorchFile.read(file));
            float[] values = new float[4];
            Objects.requireNonNull(torch.tensors().get("w")).readRows(0, 1, values, 0);
            assertThat(values).containsExactly(1, 2, 3, 4);
            return torch.notes().stream()
                    .map(note -> note.replace(path + ": ", ""))
                    .toList();
        }
    }

    private static ZipWriter.Member data(ZipWriter zip) {
        return zip.get("archive/data/0");
    }

    private static ZipWriter.Member pickle(ZipWriter zip) {
        return zip.get("archive/data.pkl");
    }

    @Test
    void theRightOneIsRead() {
        assertThat(read(zip -> {})).isEmpty();
    }

    @Test
    void whatTorchWritesIsRead() {
        assertThat(read(zip -> {
                    zip.zip64 = true;
                    for (ZipWriter.Member member : zip.members) {
                        member.flags(0x800).withDescriptor();
                        member.extra = new byte[] {'F', 'B', 3, 0, 'Z', 'Z', 'Z'};
                    }
                }))
                .isEmpty();
    }

    // Checksums

    @Test
    void damagedPickle() {
        refused(
                zip -> pickle(zip).crc(0x12345678),
                String.format(
                        "zip member \"archive/data.pkl\": has the CRC-32 %08x, expected 12345678",
                        new ZipWriter.Member("", PICKLE).crc));
    }

    @Test
    void checksumsLeftOut() {
        assertThat(read(zip -> zip.members.forEach(member -> member.crc(0))))
                .containsExactly("saved without checksums; if by torch's skip_data(), all weights are zero");
        assertThat(read(zip -> data(zip).crc(0)))
                .containsExactly("1 members without a checksum among others that have one");
    }

    /** Opening reads no weights, so damage in them shows when it is asked for. */
    @Test
    void damagedWeights() {
        ZipWriter zip = zip();
        data(zip).data[5] ^= 1;
        Path path = Hostile.write(directory, "model.pt", zip.bytes());
        try (MappedFile file = MappedFile.open(path)) {
            TorchFile torch = Hostile.read(() -> TorchFile.read(file));
            Hostile.assertRefused(
                    path,
                    String.format(
                            "zip member \"archive/data/0\": has the CRC-32 %08x, expected %08x",
                            new ZipWriter.Member("", data(zip).data).crc, data(zip).crc),
                    torch::verifyChecksums);
        }
    }

    // The ends of the file

    @Test
    void bytesBeforeTheZip() {
        refused(
                zip -> zip.before = "#!/bin/sh\n".getBytes(StandardCharsets.US_ASCII),
                "expected safetensors or a file of torch.save, found a file that is "
                        + "a zip file with other bytes before it");
    }

    @Test
    void bytesAfterTheZip() {
        refused(zip -> zip.after = new byte[] {1, 2, 3}, "3 bytes after the zip's end record");
        refused(zip -> zip.comment = new byte[] {1, 2, 3}, "3 bytes of comment after the zip's end record");
    }

    @Test
    void bytesBetween() {
        refused(
                zip -> data(zip).gap = new byte[5],
                "zip member \"archive/data/0\": 5 bytes before it belong to no member");
        refused(zip -> zip.beforeDirectory = new byte[7], "7 bytes before the zip's directory belong to no member");
    }

    @Test
    void severalZips() {
        byte[] one = zip().bytes();
        byte[] two = Arrays.copyOf(one, 2 * one.length);
        System.arraycopy(one, 0, two, one.length, one.length);
        refused(two, "several zip files one after another, as torch.distributed writes its .distcp files");
    }

    @Test
    void truncatedAnywhere() {
        byte[] whole = zip().bytes();
        for (int length = 4; length < whole.length; length += 3) {
            refused(Arrays.copyOf(whole, length), "the zip's end record is missing");
        }
        refused(new byte[] {'P', 'K', 3, 4}, "the zip's end record is missing");
        refused(new byte[0], "expected safetensors or a file of torch.save, found a file that is empty");
    }

    @Test
    void directoryElsewhere() {
        refused(zip -> zip.directoryShift = -4, "the zip's directory is not where the zip's end says");
        refused(zip -> zip.directoryShift = 4, "the zip's directory is not where the zip's end says");
    }

    @Test
    void severalDisks() {
        refused(zip -> zip.disk = 1, "the zip is spread over several disks");
        refused(
                zip -> {
                    zip.zip64 = true;
                    zip.disks = 2;
                },
                "the zip is spread over several disks");
        refused(zip -> data(zip).disk = 1, "zip member \"archive/data/0\": lies on another disk");
    }

    @Test
    void countsThatDiffer() {
        refused(zip -> zip.entriesHere = 3, "the zip's end record counts 3 and 4 members");
        refused(
                zip -> {
                    zip.entries = 3;
                    zip.entriesHere = 3;
                },
                "zip directory: expected 3 records, found 4");
        refused(
                zip -> {
                    zip.entries = 5;
                    zip.entriesHere = 5;
                },
                "zip directory: expected 5 records, found 4");
    }

    @Test
    void zip64ThatDisagrees() {
        refused(
                zip -> {
                    zip.zip64 = true;
                    zip.zip64Entries = 5;
                },
                "the zip's 64-bit end record says other than its 32-bit one");
        refused(
                zip -> {
                    zip.zip64 = true;
                    zip.locatorShift = 8;
                },
                "the zip's 64-bit end record is not where the zip's end says");
    }

    @Test
    void moreMembersThanAnyModel() {
        refused(
                zip -> {
                    zip.zip64 = true;
                    zip.entries = 0xffff;
                    zip.zip64Entries = 200_001;
                },
                "the zip has 200001 members, more than 200000");
    }

    // Members

    @Test
    void localNameThatDiffers() {
        refused(
                zip -> data(zip).localName = "archive/data/1",
                "zip member \"archive/data/0\": has another name in its local header");
    }

    @ParameterizedTest
    @ValueSource(ints = {0x1, 0x20, 0x40, 0x2000})
    void flagsThatHideTheData(int flag) {
        refused(
                zip -> data(zip).flags(flag),
                String.format("zip member \"archive/data/0\": has the flags 0x%04x: encrypted or patched", flag));
    }

    @Test
    void flagsThatDiffer() {
        refused(
                zip -> data(zip).localFlags = 1,
                "zip member \"archive/data/0\": has other flags or another compression method in its local header");
        refused(
                zip -> data(zip).localMethod = 8,
                "zip member \"archive/data/0\": has other flags or another compression method in its local header");
    }

    @Test
    void sizesThatDiffer() {
        refused(
                zip -> data(zip).localSize = 15,
                "zip member \"archive/data/0\": has another size or checksum in its local header");
        refused(
                zip -> data(zip).localCrc ^= 1,
                "zip member \"archive/data/0\": has another size or checksum in its local header");
    }

    @Test
    void descriptorThatDisagrees() {
        refused(
                zip -> data(zip).withDescriptor().descriptorCrc ^= 1,
                "zip member \"archive/data/0\": has a data descriptor that disagrees with the zip's directory");
    }

    @Test
    void membersTwice() {
        refused(zip -> zip.add("archive/data/0", "again"), "zip member \"archive/data/0\": comes twice");
        refused(zip -> zip.add("archive/data.pkl", PICKLE), "zip member \"archive/data.pkl\": comes twice");
        refused(zip -> zip.add("archive/DATA.PKL", PICKLE), "zip member \"archive/DATA.PKL\": comes twice");
    }

    @Test
    void folders() {
        refused(
                zip -> zip.add("data.pkl", PICKLE),
                "zip member \"data.pkl\": lies in no folder, expected all members in one");
        refused(
                zip -> zip.add("other/data.pkl", PICKLE),
                "zip member \"other/data.pkl\": lies outside the folder \"archive/\"");
        assertThat(read(zip -> zip.add("archive/data/", new byte[0]))).isEmpty();
        refused(zip -> zip.add("archive/data/", "x"), "zip member \"archive/data/\": is a folder that holds 1 bytes");
    }

    @ParameterizedTest
    @ValueSource(strings = {"archive/../x", "/archive/x", "archive\\x", "C:/x", "archive//x", "archive/./x", "..", ""})
    void namesThatLeadElsewhere(String name) {
        String shown = name.replace("\\", "\\\\");
        refused(zip -> zip.add(name, "x"), "zip member \"" + shown + "\": is not a plain relative path");
    }

    @Test
    void nameWithNul() {
        refused(zip -> zip.add("archive/a\0b", "x"), "zip member \"archive/a\\u{0}b\": is not a plain relative path");
    }

    @Test
    void symbolicLink() {
        refused(zip -> data(zip).attributes = 0xa1ff_0000L, "zip member \"archive/data/0\": is a symbolic link");
    }

    @Test
    void overlap() {
        // Two records for one place (Fifield's bomb): the second member's header is the first's.
        refused(
                zip -> {
                    ZipWriter.Member again = zip.add("archive/data/1", new byte[0]);
                    again.offset = 0;
                },
                "zip member \"archive/data/1\": overlaps the member before it");
    }

    @Test
    void rangesBeyondTheirPlace() {
        refused(
                zip -> {
                    ZipWriter.Member last = zip.get("archive/version");
                    last.size = 1000;
                    last.localSize = 1000;
                    last.compressedSize = 1000;
                },
                "zip member \"archive/version\": reaches into the zip's directory: 1000 bytes from byte "
                        + (startOfVersion()));
        refused(
                zip -> zip.get("archive/version").extraLength = 1000,
                "zip member \"archive/version\": reaches into the zip's directory: 2 bytes from byte "
                        + (startOfVersion() + 1000));
        refused(zip -> zip.get("archive/version").offsetShift = 1_000_000, "the zip's directory cannot be read");
    }

    /** Everything before the last member, plus its header. */
    private static int startOfVersion() {
        int at = 0;
        for (ZipWriter.Member member : zip().members) {
            at += 30 + member.name.length() + (member.name.equals("archive/version") ? 0 : member.data.length);
        }
        return at;
    }

    @Test
    void storedSizeThatDiffers() {
        refused(
                zip -> {
                    data(zip).size = 17;
                    data(zip).localSize = 17;
                },
                "zip member \"archive/data/0\": is stored, yet 16 bytes stand for 17");
    }

    // Compression

    @Test
    void compressedPickle() {
        assertThat(read(zip -> pickle(zip).deflated())).isEmpty();
    }

    @Test
    void compressedWeights() {
        refused(
                zip -> data(zip).deflated(),
                "zip member \"archive/data/0\": is compressed; torch stores weights as they are");
    }

    @Test
    void pickleThatInflatesWithoutEnd() {
        ZipWriter zip = new ZipWriter();
        zip.add("archive/data.pkl", new byte[20 << 20]).deflated();
        zip.add("archive/version", "3\n");
        refused(
                zip.bytes(),
                "zip member \"archive/data.pkl\": inflates to 20971520 bytes, more than the 16777216 Quern inflates");
    }

    @Test
    void pickleThatInflatesToMoreThanItSays() {
        refused(
                zip -> {
                    ZipWriter.Member pickle = pickle(zip).deflated();
                    pickle.size -= 1;
                    pickle.localSize -= 1;
                },
                "zip member \"archive/data.pkl\": inflates to more than the " + (PICKLE.length - 1)
                        + " bytes the zip's directory says");
        refused(
                zip -> {
                    ZipWriter.Member pickle = pickle(zip).deflated();
                    pickle.size += 1;
                    pickle.localSize += 1;
                },
                "zip member \"archive/data.pkl\": inflates to " + PICKLE.length + " bytes, expected "
                        + (PICKLE.length + 1));
    }

    @Test
    void pickleThatCannotBeInflated() {
        refused(
                zip -> {
                    pickle(zip).method = 8;
                    pickle(zip).localMethod = 8;
                },
                "zip member \"archive/data.pkl\": cannot be inflated");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 9, 12, 93, 99})
    void otherMethods(int method) {
        refused(
                zip -> {
                    data(zip).method = method;
                    data(zip).localMethod = method;
                },
                "zip member \"archive/data/0\": uses compression method " + method + ", expected none or deflate");
    }

    // What torch puts into the zip

    @Test
    void versions() {
        refused(zip -> zip.members.remove(zip.get("archive/version")), "is a zip file without version");
        for (String version : List.of("99\n", "0", "three", "")) {
            String shown = version.replace("\n", "\\u{a}");
            refused(
                    zip -> {
                        zip.members.remove(zip.get("archive/version"));
                        zip.add("archive/version", version);
                    },
                    "zip member \"archive/version\": expected 1 to 10, found \"" + shown + "\"");
        }
        refused(
                zip -> {
                    zip.members.remove(zip.get("archive/version"));
                    zip.add("archive/version", "3".repeat(65));
                },
                "zip member \"archive/version\": is 65 bytes, expected a word");
    }

    @Test
    void byteOrders() {
        refused(
                zip -> {
                    zip.members.remove(zip.get("archive/byteorder"));
                    zip.add("archive/byteorder", "middle");
                },
                "zip member \"archive/byteorder\": expected little or big, found \"middle\"");
        assertThat(read(zip -> zip.members.remove(zip.get("archive/byteorder"))))
                .isEmpty();
    }

    @Test
    void otherKindsOfZip() {
        refused(
                zip -> zip.add("archive/constants.pkl", PICKLE),
                "is a TorchScript archive, a program and not a checkpoint");
        refused(zip -> zip.members.remove(pickle(zip)), "is a zip file without data.pkl, so not one of torch.save");
    }

    @Test
    void membersThatNoTensorRefersTo() {
        assertThat(read(zip -> zip.add("archive/data/99", PICKLE)))
                .containsExactly("1 members under data/ that no tensor refers to");
    }

    /** Whatever byte of the zip's own structure is wrong: a refusal, never anything else. */
    @Test
    void oneByteChangedAnywhere() {
        byte[] whole = zip().bytes();
        Random random = new Random(42);
        for (int at = 0; at < whole.length; at++) {
            byte[] damaged = whole.clone();
            damaged[at] ^= (byte) (1 + random.nextInt(255));
            Path path = Hostile.write(directory, "model.pt", damaged);
            try (MappedFile file = MappedFile.open(path)) {
                Throwable thrown = Hostile.bounded(() -> TorchFile.read(file));
                if (thrown != null) {
                    assertThat(thrown).as("byte %s", at).isInstanceOf(dev.quern.io.InputException.class);
                }
            }
        }
    }
}
