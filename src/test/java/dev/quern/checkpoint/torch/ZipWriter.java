package dev.quern.checkpoint.torch;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

/** Writes zip files field by field, right or wrong. What is not set is as it should be. */
final class ZipWriter {
    final List<Member> members = new ArrayList<>();
    byte[] before = {};
    byte[] beforeDirectory = {};
    byte[] comment = {};
    int commentLength = -1;
    byte[] after = {};
    int disk;
    int entriesHere = -1;
    int entries = -1;
    long directoryShift;
    boolean zip64;
    long locatorShift;
    long disks = 1;
    long zip64Entries = -1;

    /** A member that is stored, with its sizes and CRC in the local header. */
    static final class Member {
        String name;
        String localName;
        byte[] data;
        long size;
        long crc;
        int method;
        int localMethod;
        int flags;
        int localFlags;
        long localCrc;
        long localSize;
        byte[] extra = {};
        int extraLength;
        byte[] gap = {};
        long offset = -1;
        int offsetShift;
        long compressedSize;
        long attributes;
        int disk;
        boolean descriptor;
        long descriptorCrc;

        Member(String name, byte[] data) {
            CRC32 sum = new CRC32();
            sum.update(data);
            this.name = name;
            this.localName = name;
            this.data = data;
            this.size = data.length;
            this.compressedSize = data.length;
            this.crc = sum.getValue();
            this.localCrc = crc;
            this.descriptorCrc = crc;
            this.localSize = size;
        }

        /** Deflates the data; sizes follow. */
        Member deflated() {
            Deflater deflater = new Deflater(9, true);
            deflater.setInput(data);
            deflater.finish();
            byte[] out = new byte[data.length + 100];
            data = java.util.Arrays.copyOf(out, deflater.deflate(out));
            System.arraycopy(out, 0, data, 0, data.length);
            deflater.end();
            method = 8;
            localMethod = 8;
            compressedSize = data.length;
            return this;
        }

        /** Sizes and CRC after the data, as torch writes them. */
        Member withDescriptor() {
            descriptor = true;
            flags |= 8;
            localFlags |= 8;
            localCrc = 0;
            localSize = 0;
            return this;
        }

        Member crc(long value) {
            crc = value;
            localCrc = value;
            descriptorCrc = value;
            return this;
        }

        Member flags(int value) {
            flags = value;
            localFlags = value;
            return this;
        }
    }

    /** A file as torch.save writes it, with one storage of floats. */
    static ZipWriter torch(byte[] pickle, float... storage) {
        ZipWriter zip = new ZipWriter();
        zip.add("archive/data.pkl", pickle);
        zip.add("archive/byteorder", "little");
        ByteBuffer data = ByteBuffer.allocate(4 * storage.length).order(ByteOrder.LITTLE_ENDIAN);
        data.asFloatBuffer().put(storage);
        zip.add("archive/data/0", data.array());
        zip.add("archive/version", "3\n");
        return zip;
    }

    Member add(String name, byte[] data) {
        Member member = new Member(name, data);
        members.add(member);
        return member;
    }

    Member add(String name, String text) {
        return add(name, text.getBytes(StandardCharsets.UTF_8));
    }

    Member get(String name) {
        return members.stream().filter(m -> m.name.equals(name)).findFirst().orElseThrow();
    }

    byte[] bytes() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(before);
        for (Member member : members) {
            out.writeBytes(member.gap);
            if (member.offset < 0) {
                member.offset = (long) out.size() + member.offsetShift;
            }
            out.writeBytes(localHeader(member));
            out.writeBytes(member.data);
            if (member.descriptor) {
                out.writeBytes(little(16)
                        .putInt(0x08074b50)
                        .putInt((int) member.descriptorCrc)
                        .putInt((int) member.compressedSize)
                        .putInt((int) member.size)
                        .array());
            }
        }
        out.writeBytes(beforeDirectory);
        long directoryAt = out.size();
        members.forEach(member -> out.writeBytes(directoryHeader(member)));
        writeEnd(out, directoryAt, out.size() - directoryAt);
        out.writeBytes(after);
        return out.toByteArray();
    }

    private void writeEnd(ByteArrayOutputStream out, long directoryAt, long directoryBytes) {
        int count = entries < 0 ? members.size() : entries;
        if (zip64) {
            long at = out.size();
            long count64 = zip64Entries < 0 ? count : zip64Entries;
            out.writeBytes(little(56)
                    .putInt(0x06064b50)
                    .putLong(44)
                    .putShort((short) 0)
                    .putShort((short) 45)
                    .putInt(0)
                    .putInt(0)
                    .putLong(count64)
                    .putLong(count64)
                    .putLong(directoryBytes)
                    .putLong(directoryAt)
                    .array());
            out.writeBytes(little(20)
                    .putInt(0x07064b50)
                    .putInt(0)
                    .putLong(at + locatorShift)
                    .putInt((int) disks)
                    .array());
        }
        out.writeBytes(little(22)
                .putInt(0x06054b50)
                .putShort((short) disk)
                .putShort((short) disk)
                .putShort((short) (entriesHere < 0 ? count : entriesHere))
                .putShort((short) count)
                .putInt((int) directoryBytes)
                .putInt((int) (directoryAt + directoryShift))
                .putShort((short) (commentLength < 0 ? comment.length : commentLength))
                .array());
        out.writeBytes(comment);
    }

    private static byte[] localHeader(Member member) {
        byte[] name = member.localName.getBytes(StandardCharsets.UTF_8);
        return little(30 + name.length + member.extra.length)
                .putInt(0x04034b50)
                .putShort((short) 0)
                .putShort((short) member.localFlags)
                .putShort((short) member.localMethod)
                .putInt(0)
                .putInt((int) member.localCrc)
                .putInt((int) (member.localMethod == 0 ? member.localSize : member.compressedSize))
                .putInt((int) member.localSize)
                .putShort((short) name.length)
                .putShort((short) (member.extra.length + member.extraLength))
                .put(name)
                .put(member.extra)
                .array();
    }

    private static byte[] directoryHeader(Member member) {
        byte[] name = member.name.getBytes(StandardCharsets.UTF_8);
        return little(46 + name.length)
                .putInt(0x02014b50)
                .putShort((short) (3 << 8))
                .putShort((short) 0)
                .putShort((short) member.flags)
                .putShort((short) member.method)
                .putInt(0)
                .putInt((int) member.crc)
                .putInt((int) member.compressedSize)
                .putInt((int) member.size)
                .putShort((short) name.length)
                .putShort((short) 0)
                .putShort((short) 0)
                .putShort((short) member.disk)
                .putShort((short) 0)
                .putInt((int) member.attributes)
                .putInt((int) member.offset)
                .put(name)
                .array();
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }
}
