package dev.quern.checkpoint.onnx;

import dev.quern.io.InputException;
import dev.quern.io.Region;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A protobuf message, walked field by field where it lies: weights inside it are places in the file and are never
 * copied. {@link #next} goes to a field; then exactly one of {@link #varint}, {@link #varints}, {@link #bytes}
 * and {@link #text} reads it, or none, and it is passed over.
 */
final class Message {
    private static final int VARINT = 0;
    private static final int EIGHT = 1;
    private static final int BYTES = 2;
    private static final int FOUR = 5;

    private final Region region;
    private final String what;
    private long at;
    private int field;
    private int kind;
    private boolean pending;

    /** @param what the message is, for refusals */
    Message(Region region, String what) {
        this.region = region;
        this.what = what;
    }

    /** @return whether there is another field */
    boolean next() {
        if (pending) {
            skip();
        }
        if (at == region.length()) {
            return false;
        }
        long tag = number();
        field = (int) (tag >>> 3);
        kind = (int) (tag & 7);
        if (tag >>> 3 < 1
                || tag >>> 3 > 0x1fff_ffff
                || kind != VARINT && kind != EIGHT && kind != BYTES && kind != FOUR) {
            throw refused("no field of " + what + " begins with tag " + Long.toUnsignedString(tag));
        }
        pending = true;
        return true;
    }

    int field() {
        return field;
    }

    boolean isBytes() {
        return kind == BYTES;
    }

    long varint() {
        expect(VARINT, "an integer");
        return number();
    }

    /** One or more of a repeated integer: alone, or packed into bytes. More than {@code most} in all are refused. */
    void varints(List<Long> out, int most, String plural) {
        if (!isBytes()) {
            add(varint(), out, most, plural);
            return;
        }
        Message packed = new Message(bytes(), what);
        while (packed.at < packed.region.length()) {
            packed.add(packed.number(), out, most, plural);
        }
    }

    private void add(long number, List<Long> out, int most, String plural) {
        if (out.size() == most) {
            throw refused(what + " of more than " + most + " " + plural);
        }
        out.add(number);
    }

    Region bytes() {
        expect(BYTES, "bytes");
        long length = number();
        if (length < 0 || length > region.length() - at) {
            throw refused("field " + field + " of " + what + " is " + Long.toUnsignedString(length) + " bytes, "
                    + (region.length() - at) + " are left");
        }
        Region bytes = region.slice(at, length);
        at += length;
        return bytes;
    }

    /** Text, for names; more than a name can have is refused. */
    String text() {
        Region bytes = bytes();
        if (bytes.length() > 4096) {
            throw refused("field " + field + " of " + what + ": a name of " + bytes.length() + " bytes");
        }
        return new String(bytes.bytes(0, (int) bytes.length()), StandardCharsets.UTF_8);
    }

    private void expect(int expected, String name) {
        if (kind != expected) {
            throw refused("field " + field + " of " + what + ": expected " + name + ", found wire type " + kind);
        }
        pending = false;
    }

    private void skip() {
        pending = false;
        switch (kind) {
            case VARINT -> number();
            case EIGHT -> advance(8);
            case FOUR -> advance(4);
            default -> {
                pending = true;
                bytes();
            }
        }
    }

    private void advance(int count) {
        region.slice(at, count);
        at += count;
    }

    private long number() {
        long value = 0;
        for (int shift = 0; shift < 70; shift += 7) {
            int next = region.u8(at++);
            value |= (long) (next & 0x7f) << shift;
            if (next < 0x80) {
                return value;
            }
        }
        throw refused("a number in " + what + " has more than ten bytes");
    }

    private InputException refused(String problem) {
        return InputException.of(region.file().path(), "byte " + (region.offset() + at), problem);
    }
}
