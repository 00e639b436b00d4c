package dev.quern.checkpoint.torch;

import dev.quern.io.InputException;
import dev.quern.io.Region;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;

/** The bytes of a pickle, read in order; every length is checked against the bytes that are there. */
final class PickleInput {
    private static final long MAX_STRING = 64 << 20;
    private static final int MAX_LINE = 512;

    /** 128-bit integers occur (seeds of generators); longer ones only in attacks. */
    private static final int MAX_INTEGER = 16;

    private static final ValueLayout.OfDouble BIG_ENDIAN_DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private final Path file;
    private final String part;
    private final MemorySegment bytes;
    private long next;
    private long opcodeAt;
    private int code = -1;
    private long frameEnd = -1;

    /**
     * @param part what the pickle is called inside the file, for messages
     * @param start where in {@code bytes} the pickle begins; places in messages count from their first
     */
    PickleInput(Path file, String part, MemorySegment bytes, long start) {
        this.file = file;
        this.part = part;
        this.bytes = bytes;
        this.next = start;
    }

    /** Where the next byte will be read. */
    long position() {
        return next;
    }

    long left() {
        return bytes.byteSize() - next;
    }

    /** The next opcode; refuses unknown bytes and opcodes that no checkpoint needs. */
    Opcode opcode() {
        Opcode found = anyOpcode();
        if (!found.accepted()) {
            throw refused("is an opcode that torch.save never writes");
        }
        return found;
    }

    /** The next opcode, whether a checkpoint needs it or not; refuses unknown bytes. */
    Opcode anyOpcode() {
        opcodeAt = next;
        code = -1;
        if (left() == 0) {
            throw refused("ends without STOP").withHint("the download may be truncated");
        }
        code = u8();
        Opcode found = Opcode.of(code);
        if (found == null) {
            throw refused("is no pickle opcode");
        }
        return found;
    }

    /** Where the opcode read last begins. */
    long opcodeAt() {
        return opcodeAt;
    }

    /** Passes over what nobody looks at. */
    void skip(long count) {
        take(count);
    }

    /** Protocol 4 groups opcodes into frames; an opcode must not lie across a frame's end. */
    void frame() {
        if (next <= frameEnd) {
            throw refused("lies inside another frame");
        }
        long length = u64();
        if (length > left()) {
            throw refused("is " + length + " bytes long, " + left() + " are left");
        }
        frameEnd = next + length;
    }

    int u8() {
        return bytes.get(ValueLayout.JAVA_BYTE, take(1)) & 0xff;
    }

    int u16() {
        return bytes.get(Region.SHORT, take(2)) & 0xffff;
    }

    int i32() {
        return bytes.get(Region.INT, take(4));
    }

    long u32() {
        return i32() & 0xffff_ffffL;
    }

    /** An unsigned 64-bit length; what does not fit a long is beyond any file. */
    long u64() {
        long value = bytes.get(Region.LONG, take(8));
        if (value < 0) {
            throw refused("has the length " + Long.toUnsignedString(value));
        }
        return value;
    }

    double real() {
        return bytes.get(BIG_ENDIAN_DOUBLE, take(8));
    }

    /** A little-endian two's complement integer. */
    BigInteger integer(long length) {
        if (length < 0 || length > MAX_INTEGER) {
            throw refused("is an integer of " + length + " bytes, more than the " + MAX_INTEGER + " Quern reads");
        }
        byte[] digits = raw(length);
        for (int i = 0, j = digits.length - 1; i < j; i++, j--) {
            byte swapped = digits[i];
            digits[i] = digits[j];
            digits[j] = swapped;
        }
        return digits.length == 0 ? BigInteger.ZERO : new BigInteger(digits);
    }

    byte[] raw(long length) {
        if (length > MAX_STRING) {
            throw refused("has the length " + length + ", more than the " + MAX_STRING + " bytes Quern reads");
        }
        return bytes.asSlice(take(length), length).toArray(ValueLayout.JAVA_BYTE);
    }

    String utf8(long length) {
        byte[] raw = raw(length);
        return strict(raw).orElseThrow(() -> refused("holds text that is not valid UTF-8"));
    }

    /** One of GLOBAL's two lines, without its end. */
    String line() {
        long end = next;
        while (end < bytes.byteSize() && end - next <= MAX_LINE && bytes.get(ValueLayout.JAVA_BYTE, end) != '\n') {
            end++;
        }
        if (end == bytes.byteSize() || end - next > MAX_LINE) {
            throw refused("names something with no end of line within " + MAX_LINE + " bytes");
        }
        String line = utf8(end - next);
        take(1);
        return line;
    }

    static Optional<String> strict(byte[] utf8) {
        try {
            return Optional.of(StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(utf8))
                    .toString());
        } catch (CharacterCodingException e) {
            return Optional.empty();
        }
    }

    /** A refusal of the opcode read last. */
    InputException refused(String problem) {
        return InputException.of(file, part + " byte " + opcodeAt, opcodeName() + " " + problem);
    }

    private String opcodeName() {
        if (code < 0) {
            return "end";
        }
        Opcode opcode = Opcode.of(code);
        return opcode == null ? String.format("byte 0x%02x", code) : opcode.name();
    }

    private long take(long count) {
        long at = next;
        if (count < 0 || count > left()) {
            throw refused("needs " + count + " more bytes, " + left() + " are left")
                    .withHint("the download may be truncated");
        }
        if (at < frameEnd && at + count > frameEnd) {
            throw refused("lies across the end of its frame");
        }
        next = at + count;
        return at;
    }
}
