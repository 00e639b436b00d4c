package dev.quern.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Writes a GGUF file field by field, right or wrong: it knows the fields' widths and no rule. */
final class RawGguf {
    static final int UINT32 = 4;
    static final int FLOAT32 = 6;
    static final int STRING = 8;
    static final int ARRAY = 9;
    static final int F32 = 0;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** "GGUF", version 3 and the two counts. */
    static RawGguf header(long tensors, long keys) {
        return header(3, tensors, keys);
    }

    static RawGguf header(int version, long tensors, long keys) {
        return new RawGguf().ascii("GGUF").u32(version).u64(tensors).u64(keys);
    }

    RawGguf ascii(String text) {
        return bytes(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    RawGguf bytes(byte... bytes) {
        out.writeBytes(bytes);
        return this;
    }

    RawGguf zeros(int count) {
        return bytes(new byte[count]);
    }

    RawGguf u8(int value) {
        return bytes((byte) value);
    }

    RawGguf u32(long value) {
        return bytes(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt((int) value)
                .array());
    }

    RawGguf u64(long value) {
        return bytes(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array());
    }

    /** A length and as many bytes. */
    RawGguf string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return u64(utf8.length).bytes(utf8);
    }

    /** A key and the type of the value that is to follow. */
    RawGguf key(String key, int type) {
        return string(key).u32(type);
    }

    /** The beginning of an array under a key: its element type and count. */
    RawGguf array(String key, int element, long count) {
        return key(key, ARRAY).u32(element).u64(count);
    }

    /** A whole tensor entry; dimensions innermost first, as the file has them. */
    RawGguf tensor(String name, int type, long offset, long... dims) {
        string(name).u32(dims.length);
        for (long dim : dims) {
            u64(dim);
        }
        return u32(type).u64(offset);
    }

    /** Zeros up to the next multiple. */
    RawGguf pad(int alignment) {
        return zeros((alignment - out.size() % alignment) % alignment);
    }

    int size() {
        return out.size();
    }

    byte[] toBytes() {
        return out.toByteArray();
    }
}
