package dev.quern.gguf;

import dev.quern.io.InputException;
import dev.quern.io.Region;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Reads a header from front to back. It knows what it is reading, so that every refusal names the key or tensor and the
 * byte, and takes nothing that the rest of the file cannot hold.
 */
final class Cursor {
    /**
     * Bytes that are copied from the file at once. A header is read before anything is compiled, and has a hundred
     * thousand short strings: each on its own, from mapped memory, took half as long as the rest of a start.
     */
    private static final int WINDOW_BYTES = 1 << 16;

    private final Region file;
    private String subject = "header";
    private boolean swapped;
    private long at;
    private byte[] window = {};
    private long windowAt;
    private int windowLength;

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
        return window[take(1, what)] & 0xff;
    }

    int u16(String what) {
        return (int) number(2, what);
    }

    int i32(String what) {
        return (int) number(4, what);
    }

    long u32(String what) {
        return Integer.toUnsignedLong(i32(what));
    }

    long i64(String what) {
        return number(8, what);
    }

    /** Written out, since VarHandles cost a hundred times as much before they are compiled. */
    private long number(int bytes, String what) {
        int first = take(bytes, what);
        int step = swapped ? 1 : -1;
        int i = swapped ? first : first + bytes - 1;
        long value = 0;
        for (int left = bytes; left > 0; left--) {
            value = value << 8 | window[i] & 0xff;
            i += step;
        }
        return value;
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
        long where = at;
        long length = i64(what);
        if (length < 0 || length > limit || length > left()) {
            at = where;
            // Says so in words, which are not made for every string of a header.
            length = count("a length of " + what, limit, 1);
        }
        if (length > WINDOW_BYTES) {
            byte[] bytes = file.bytes(at, (int) length);
            at += length;
            return bytes;
        }
        int first = take((int) length, what);
        return Arrays.copyOfRange(window, first, first + (int) length);
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

    /** The next bytes, {@link #WINDOW_BYTES} at most: where in the window they begin. */
    private int take(int bytes, String what) {
        if (bytes > left()) {
            throw expected(at, bytes + " bytes of " + what, left() + " bytes before the end of the file");
        }
        if (at + bytes > windowAt + windowLength || at < windowAt) {
            refill();
        }
        int begin = (int) (at - windowAt);
        at += bytes;
        return begin;
    }

    private void refill() {
        if (window.length == 0) {
            window = new byte[WINDOW_BYTES];
        }
        windowAt = at;
        windowLength = (int) Math.min(WINDOW_BYTES, left());
        file.copyTo(at, window, windowLength);
    }
}
