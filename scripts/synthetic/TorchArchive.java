package synthetic;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32;

/**
 * A state dictionary as torch.save writes it: a zip archive of stored members, the tensors' data on 64-byte boundaries
 * behind a padding record in the local header, sizes and checksums in data descriptors after each member and in the
 * central directory, zip64 records where 4 GiB are passed. Member for member what PyTorch 2.13 writes (its
 * caffe2/serialize/inline_container.cc over miniz), so that readers meet the same bytes.
 */
final class TorchArchive {
    private static final int LOCAL_HEADER = 30;
    private static final int ALIGNMENT = 64;
    private static final long ZIP64 = 0xFFFFFFFFL;
    /** A data descriptor follows (bit 3) and names are UTF-8 (bit 11). */
    private static final short FLAGS = 0x0808;

    private final String top;
    private final List<CheckpointFile.Bytes> bytes = new ArrayList<>();
    private final List<CheckpointFile.Placed> placed = new ArrayList<>();
    private final List<Member> members = new ArrayList<>();
    private long end;

    /** @param crc of a member whose bytes are known; otherwise {@code tensor} says which data it is of */
    private record Member(String name, long header, long data, long size, int crc, int tensor) {
        boolean zip64() {
            return size >= ZIP64 || header >= ZIP64;
        }
    }

    private TorchArchive(String top) {
        this.top = top;
    }

    static CheckpointFile file(Path path, List<Tensor.Part> parts, DType dtype) {
        String fileName = path.getFileName().toString();
        TorchArchive archive = new TorchArchive(fileName.substring(0, fileName.lastIndexOf('.')));
        archive.add("data.pkl", StatePickle.of(parts, dtype));
        archive.add(".format_version", ascii("1"));
        archive.add(".storage_alignment", ascii(Integer.toString(ALIGNMENT)));
        archive.add("byteorder", ascii("little"));
        for (int i = 0; i < parts.size(); i++) {
            Tensor.Part part = parts.get(i);
            long size = Math.multiplyExact(part.elements(), dtype.bytes());
            long at = archive.place("data/" + i, size, 0, i);
            archive.placed.add(new CheckpointFile.Placed(part, at, size));
        }
        archive.add("version", ascii("3\n"));
        // PyTorch makes it from hashes of the members; any 40 digits do.
        String id = String.format(Locale.ROOT, "%020d%020d", Weights.hash(fileName) >>> 1, archive.end);
        archive.add(".data/serialization_id", ascii(id));
        return archive.finished(path);
    }

    private CheckpointFile finished(Path path) {
        int[] noCrcs = new int[placed.size()];
        long directoryEnd = end + directory(noCrcs).length;
        return new CheckpointFile(path, directoryEnd, List.copyOf(bytes), List.copyOf(placed), crcs -> {
            List<CheckpointFile.Bytes> ending = new ArrayList<>();
            for (Member member : members) {
                ending.add(new CheckpointFile.Bytes(member.data + member.size, descriptor(member, crc(member, crcs))));
            }
            ending.add(new CheckpointFile.Bytes(end, directory(crcs)));
            return ending;
        });
    }

    private void add(String name, byte[] content) {
        CRC32 crc = new CRC32();
        crc.update(content);
        long at = place(name, content.length, (int) crc.getValue(), -1);
        bytes.add(new CheckpointFile.Bytes(at, content));
    }

    /** Returns where the member's data begins. */
    private long place(String name, long size, int crc, int tensor) {
        byte[] path = (top + "/" + name).getBytes(StandardCharsets.UTF_8);
        Member unplaced = new Member(top + "/" + name, end, 0, size, crc, tensor);
        byte[] zip64 = zip64Extra(unplaced);
        long unpadded = end + LOCAL_HEADER + path.length + zip64.length + 4;
        int padding = (int) (-unpadded & ALIGNMENT - 1);
        ByteBuffer header = little(LOCAL_HEADER + path.length + zip64.length + 4 + padding);
        header.putInt(0x04034b50).putShort((short) 0).putShort(FLAGS).put(new byte[18]);
        header.putShort((short) path.length).putShort((short) (zip64.length + 4 + padding));
        header.put(path).put(zip64);
        header.put((byte) 'F')
                .put((byte) 'B')
                .putShort((short) padding)
                .put("Z".repeat(padding).getBytes(StandardCharsets.US_ASCII));
        bytes.add(new CheckpointFile.Bytes(end, header.array()));
        Member member = new Member(unplaced.name, end, unpadded + padding, size, crc, tensor);
        members.add(member);
        end = member.data + size + descriptor(member, 0).length;
        return member.data;
    }

    private static int crc(Member member, int[] crcs) {
        return member.tensor < 0 ? member.crc : crcs[member.tensor];
    }

    private static byte[] descriptor(Member member, int crc) {
        ByteBuffer out = little(member.zip64() ? 24 : 16).putInt(0x08074b50).putInt(crc);
        if (member.zip64()) {
            out.putLong(member.size).putLong(member.size);
        } else {
            out.putInt((int) member.size).putInt((int) member.size);
        }
        return out.array();
    }

    /** Only the fields that do not fit: both sizes, then the header's offset. */
    private static byte[] zip64Extra(Member member) {
        if (!member.zip64()) {
            return new byte[0];
        }
        int fields = (member.size >= ZIP64 ? 16 : 0) + (member.header >= ZIP64 ? 8 : 0);
        ByteBuffer out = little(4 + fields).putShort((short) 1).putShort((short) fields);
        if (member.size >= ZIP64) {
            out.putLong(member.size).putLong(member.size);
        }
        if (member.header >= ZIP64) {
            out.putLong(member.header);
        }
        return out.array();
    }

    private byte[] directory(int[] crcs) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (Member member : members) {
            byte[] path = member.name.getBytes(StandardCharsets.UTF_8);
            byte[] zip64 = zip64Extra(member);
            int size = (int) Math.min(member.size, ZIP64);
            ByteBuffer entry = little(46 + path.length + zip64.length);
            entry.putInt(0x02014b50).putInt(0).putShort(FLAGS).put(new byte[6]);
            entry.putInt(crc(member, crcs)).putInt(size).putInt(size);
            entry.putShort((short) path.length).putShort((short) zip64.length).put(new byte[10]);
            entry.putInt((int) Math.min(member.header, ZIP64)).put(path).put(zip64);
            out.writeBytes(entry.array());
        }
        int directorySize = out.size();
        int count = members.size();
        // Both ends of directory, always: miniz writes the zip64 ones whether they are needed or not.
        ByteBuffer tail = little(56 + 20 + 22);
        tail.putInt(0x06064b50)
                .putLong(44)
                .putShort((short) 0x031e)
                .putShort((short) 45)
                .putLong(0);
        tail.putLong(count).putLong(count).putLong(directorySize).putLong(end);
        tail.putInt(0x07064b50).putInt(0).putLong(end + directorySize).putInt(1);
        tail.putInt(0x06054b50).putInt(0).putShort((short) count).putShort((short) count);
        tail.putInt(directorySize).putInt((int) Math.min(end, ZIP64)).putShort((short) 0);
        out.writeBytes(tail.array());
        return out.toByteArray();
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
