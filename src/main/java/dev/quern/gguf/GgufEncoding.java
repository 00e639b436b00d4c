package dev.quern.gguf;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** GGUF v3's header as bytes: docs/gguf.md of ggml-org/ggml, in the order gguf_write_to_file and gguf-py share. */
final class GgufEncoding {
    private static final int LENGTH = Long.BYTES;
    private static final int TYPE = Integer.BYTES;

    private GgufEncoding() {}

    static long headerBytes(GgufMetadata metadata, List<GgufTensor> tensors) {
        long sum = Integer.BYTES + Integer.BYTES + 2 * LENGTH;
        for (Map.Entry<String, GgufValue> entry : metadata.asMap().entrySet()) {
            sum += LENGTH + key(entry.getKey()).length + TYPE + valueBytes(entry.getKey(), entry.getValue());
        }
        for (GgufTensor tensor : tensors) {
            sum += LENGTH
                    + utf8(tensor.name()).length
                    + Integer.BYTES
                    + (long) LENGTH * tensor.shape().rank();
            sum += TYPE + LENGTH;
        }
        return sum;
    }

    private static long valueBytes(String key, GgufValue value) {
        return switch (value) {
            case GgufValue.Int number -> number.type().bytes();
            case GgufValue.Real number -> number.type().bytes();
            case GgufValue.Bool bool -> bool.type().bytes();
            case GgufValue.Text text -> stringBytes(key, text.utf8());
            case GgufValue.Array array -> TYPE + LENGTH + elementBytes(key, array);
        };
    }

    private static long elementBytes(String key, GgufValue.Array array) {
        if (array.size() > GgufLimits.MAX_ARRAY_ELEMENTS) {
            throw new IllegalArgumentException(key + " has more than " + GgufLimits.MAX_ARRAY_ELEMENTS + " elements");
        }
        if (array instanceof GgufValue.Texts texts) {
            long sum = 0;
            for (byte[] text : texts.values()) {
                sum += stringBytes(key, text);
            }
            return sum;
        }
        return (long) array.size() * array.element().bytes();
    }

    private static long stringBytes(String key, byte[] string) {
        if (string.length > GgufLimits.MAX_STRING_BYTES) {
            throw new IllegalArgumentException(key + " has more than " + GgufLimits.MAX_STRING_BYTES + " bytes");
        }
        return LENGTH + (long) string.length;
    }

    /** @param out little-endian, with room for {@link #headerBytes} */
    static void putHeader(ByteBuffer out, GgufMetadata metadata, List<GgufTensor> tensors) {
        out.putInt(GgufLimits.MAGIC);
        out.putInt(GgufLimits.VERSION);
        out.putLong(tensors.size());
        out.putLong(metadata.size());
        metadata.asMap().forEach((key, value) -> {
            putString(out, key(key));
            out.putInt(value.type().id());
            putValue(out, value);
        });
        for (GgufTensor tensor : tensors) {
            putString(out, utf8(tensor.name()));
            int rank = tensor.shape().rank();
            out.putInt(rank);
            for (int axis = rank - 1; axis >= 0; axis--) {
                out.putLong(tensor.shape().dim(axis));
            }
            out.putInt(tensor.type().id());
            out.putLong(tensor.offset());
        }
    }

    private static void putValue(ByteBuffer out, GgufValue value) {
        switch (value) {
            case GgufValue.Int number -> putInteger(out, number.type(), number.value());
            case GgufValue.Real number
            when number.type() == GgufType.FLOAT32 -> out.putInt(FloatBits.narrow(number.value()));
            case GgufValue.Real number -> out.putLong(Double.doubleToRawLongBits(number.value()));
            case GgufValue.Bool bool -> out.put((byte) (bool.value() ? 1 : 0));
            case GgufValue.Text text -> putString(out, text.utf8());
            case GgufValue.Array array -> {
                out.putInt(array.element().id());
                out.putLong(array.size());
                putElements(out, array);
            }
        }
    }

    private static void putElements(ByteBuffer out, GgufValue.Array array) {
        switch (array) {
            case GgufValue.Ints ints -> {
                for (long value : ints.values()) {
                    putInteger(out, ints.element(), value);
                }
            }
            case GgufValue.Floats floats -> {
                for (float value : floats.values()) {
                    out.putInt(Float.floatToRawIntBits(value));
                }
            }
            case GgufValue.Doubles doubles -> {
                for (double value : doubles.values()) {
                    out.putLong(Double.doubleToRawLongBits(value));
                }
            }
            case GgufValue.Texts texts -> {
                for (byte[] text : texts.values()) {
                    putString(out, text);
                }
            }
        }
    }

    private static void putInteger(ByteBuffer out, GgufType type, long value) {
        switch (type.bytes()) {
            case 1 -> out.put((byte) value);
            case 2 -> out.putShort((short) value);
            case 4 -> out.putInt((int) value);
            case 8 -> out.putLong(value);
            default -> throw new IllegalArgumentException(type + " is no integer");
        }
    }

    private static void putString(ByteBuffer out, byte[] bytes) {
        out.putLong(bytes.length);
        out.put(bytes);
    }

    private static byte[] key(String key) {
        byte[] bytes = utf8(key);
        if (bytes.length == 0 || bytes.length > GgufLimits.MAX_KEY_BYTES || key.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "a key has 1 to " + GgufLimits.MAX_KEY_BYTES + " bytes, none of them zero: " + key);
        }
        return bytes;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
