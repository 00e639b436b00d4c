package dev.quern.io;

import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A range of bytes of a mapped file. Every read is checked against the range: what lies outside is refused with the
 * file's name and the byte, never read. Numbers are little-endian and may stand at any address.
 */
public record Region(MappedFile file, long offset, long length) {
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public Region {
        if (offset < 0 || length < 0 || offset > file.size() - length) {
            throw InputException.of(
                    file.path(),
                    "byte " + offset,
                    "expected " + length + " bytes, the file ends at byte " + file.size());
        }
    }

    /** The part of this region that starts {@code from} bytes in and is {@code count} bytes long. */
    public Region slice(long from, long count) {
        check(from, count);
        return new Region(file, offset + from, count);
    }

    /** The mapped memory itself, for kernels; exactly this region. */
    public MemorySegment segment() {
        return file.segment().asSlice(offset, length);
    }

    public int u8(long at) {
        check(at, 1);
        return file.segment().get(ValueLayout.JAVA_BYTE, offset + at) & 0xff;
    }

    public int u16(long at) {
        check(at, 2);
        return file.segment().get(SHORT, offset + at) & 0xffff;
    }

    public int i32(long at) {
        check(at, 4);
        return file.segment().get(INT, offset + at);
    }

    public long u32(long at) {
        return i32(at) & 0xffff_ffffL;
    }

    /** A 64-bit number, signed as Java has it: the caller refuses what is negative where the format says unsigned. */
    public long i64(long at) {
        check(at, 8);
        return file.segment().get(LONG, offset + at);
    }

    public byte[] bytes(long at, int count) {
        check(at, count);
        return file.segment().asSlice(offset + at, count).toArray(ValueLayout.JAVA_BYTE);
    }

    /** The bytes from {@code at} on as a stream, without a copy of the whole. */
    public InputStream stream(long at, long count) {
        return new RegionStream(slice(at, count));
    }

    /** Copies {@code count} bytes from {@code at} on to the start of {@code out}. */
    public void copyTo(long at, byte[] out, int count) {
        check(at, count);
        MemorySegment.copy(file.segment(), ValueLayout.JAVA_BYTE, offset + at, out, 0, count);
    }

    private void check(long at, long count) {
        if (at < 0 || count < 0 || at > length - count) {
            throw InputException.of(
                    file.path(),
                    "byte " + (offset + at),
                    "expected " + count + " bytes, only " + Math.max(0, length - at) + " are left");
        }
    }
}
