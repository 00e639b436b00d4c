package dev.quern.checkpoint.torch;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Writes pickles opcode by opcode, right or wrong. */
final class PickleWriter {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** A pickle that begins as torch.save's do. */
    static PickleWriter protocol2() {
        return new PickleWriter().op(0x80, 2);
    }

    PickleWriter op(int... bytes) {
        for (int b : bytes) {
            out.write(b);
        }
        return this;
    }

    PickleWriter ops(String ascii) {
        return raw(ascii.getBytes(StandardCharsets.ISO_8859_1));
    }

    PickleWriter raw(byte[] bytes) {
        out.writeBytes(bytes);
        return this;
    }

    PickleWriter u32(long value) {
        return raw(little(4).putInt((int) value).array());
    }

    PickleWriter u64(long value) {
        return raw(little(8).putLong(value).array());
    }

    PickleWriter text(String value) {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        return op('X').u32(utf8.length).raw(utf8);
    }

    /** BININT where it fits, otherwise LONG1 of 8 bytes. */
    PickleWriter integer(long value) {
        return value == (int) value ? op('J').u32(value) : op(0x8a, 8).u64(value);
    }

    PickleWriter global(String module, String name) {
        return ops("c" + module + "\n" + name + "\n");
    }

    PickleWriter integers(long... values) {
        op('(');
        for (long value : values) {
            integer(value);
        }
        return op('t');
    }

    PickleWriter storage(String type, String key, long elements) {
        return op('(').text("storage")
                .global("torch", type)
                .text(key)
                .text("cpu")
                .integer(elements)
                .op('t', 'Q');
    }

    /** {@code _rebuild_tensor_v2} of a float storage with the given numbers. */
    PickleWriter tensor(String key, long elements, long offset, long[] sizes, long[] strides) {
        return global("torch._utils", "_rebuild_tensor_v2")
                .op('(')
                .storage("FloatStorage", key, elements)
                .integer(offset)
                .integers(sizes)
                .integers(strides)
                .rest();
    }

    /** The last arguments of a tensor: no gradient, no hooks; then the call. */
    PickleWriter rest() {
        return op(0x89).orderedDict().op('t', 'R');
    }

    PickleWriter orderedDict() {
        return global("collections", "OrderedDict").op(')', 'R');
    }

    /** {@code {name: <what follows>}} needs {@link #end} after the value. */
    PickleWriter dict(String name) {
        return op('}', '(').text(name);
    }

    PickleWriter end() {
        return op('u', '.');
    }

    byte[] bytes() {
        return out.toByteArray();
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }
}
