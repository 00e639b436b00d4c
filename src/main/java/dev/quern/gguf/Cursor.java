package dev.quern.gguf;

import dev.quern.io.InputException;
import dev.quern.io.Region;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Reads a header from front to back. It knows what it is reading, so that every refusal names the key or tensor and the
 * byte, and takes nothing that the rest of the file cannot hold.
 */
final class Cursor {
    private final Region file;
    private String subject = "header";
    private boolean swapped;
    private long at;

    Cursor(Region file) {
        this.file = file;
    }

    /** What the following bytes are about: {@code key "general.name"}. */
    void about(String newSubject) {
        subject = newSubject;
    }

    /** Numbers from here on are big-endian. */
    void swap() {
        swapped = true;
    }

    long position() {
        return at;
    }

    long left() {
        return file.length() - at;
    }

    InputException expected(long byteAt, Object expected, Object found) {
        return InputException.expected(file.file().path(), subject + " at byte " + byteAt, expected, found);
    }

    int u8(String what) {
        return file.u8(take(1, what));
    }

    int u16(String what) {
        int value = file.u16(take(2, what));
        return swapped ? Short.toUnsignedInt(Short.reverseBytes((short) value)) : value;
    }

    int i32(String what) {
        int value = file.i32(take(4, what));
        return swapped ? Integer.reverseBytes(value) : value;
    }

    long u32(String what) {
        return Integer.toUnsignedLong(i32(what));
    }

    long i64(String what) {
        long value = file.i64(take(8, what));
        return swapped ? Long.reverseBytes(value) : value;
    }

    /** An unsigned 64-bit count that must not exceed a limit, nor what {@code least} bytes for each leave room for. */
    long count(String what, long limit, long least) {
        long where = at;
        long count = i64(what);
        if (count < 0 || count > limit) {
            throw expected(where, what + " up to " + limit, Long.toUnsignedString(count));
        }
        if (count * least > left()) {
            throw expected(
                    where, what + " that fits the " + left() + " bytes left in the file", Long.toUnsignedString(count));
        }
        return count;
    }

    byte[] string(String what, int limit) {
        int length = (int) count("a length of " + what, limit, 1);
        return file.bytes(take(length, what), length);
    }

    /** Text that has to survive as a Java string: UTF-8 without a zero, which would end a C string. */
    String name(String what, int limit) {
        long where = at;
        byte[] bytes = string(what, limit);
        if (bytes.length == 0) {
            throw expected(where, what, "the empty string");
        }
        String name;
        try {
            name = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw expected(where, what + " in UTF-8", "other bytes").withCause(e);
        }
        if (name.indexOf('\0') >= 0) {
            throw expected(where, what + " without a zero byte", "one");
        }
        return name;
    }

    private long take(long bytes, String what) {
        if (bytes > left()) {
            throw expected(at, bytes + " bytes of " + what, left() + " bytes before the end of the file");
        }
        long begin = at;
        at += bytes;
        return begin;
    }
}
