package dev.quern.gguf;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * A GGUF header, read strictly: gguf.cpp's rules as of 2026-08, the overflows it lets through closed, and the limits of
 * {@link GgufLimits}.
 *
 * @param order of the bytes of every number in the file, data included
 * @param dataStart where the data section begins in the file
 * @param dataBytes what the data section takes with the padding behind its last tensor
 */
record GgufHeader(
        int version,
        ByteOrder order,
        GgufMetadata metadata,
        SequencedMap<String, GgufTensor> tensors,
        int alignment,
        long dataStart,
        long dataBytes) {
    /** A name of one byte, no dimensions: the least a tensor's entry takes. */
    private static final int LEAST_TENSOR_BYTES = 8 + 1 + 4 + 4 + 8;
    /** A key of one byte and one byte of value. */
    private static final int LEAST_KEY_BYTES = 8 + 1 + 4 + 1;

    static GgufHeader read(Region file) {
        return new Reader(file).read();
    }

    private static final class Reader {
        private final Cursor in;
        private final GgufMetadata metadata = new GgufMetadata();
        private final LinkedHashMap<String, Long> keyBytes = new LinkedHashMap<>();
        private final LinkedHashMap<String, GgufTensor> tensors = new LinkedHashMap<>();
        private ByteOrder order = ByteOrder.LITTLE_ENDIAN;
        private int alignment = GgufLimits.DEFAULT_ALIGNMENT;

        Reader(Region file) {
            this.in = new Cursor(file);
        }

        GgufHeader read() {
            int version = preamble();
            long tensorCount = in.count("a number of tensors", GgufLimits.MAX_TENSORS, LEAST_TENSOR_BYTES);
            long keyCount = in.count("a number of keys", GgufLimits.MAX_KEYS, LEAST_KEY_BYTES);
            for (long i = 0; i < keyCount; i++) {
                key(i);
            }
            readAlignment();
            TokenizerArrays.check(metadata, (key, expected, found) -> {
                in.about("key " + Quoted.of(key));
                return in.expected(keyBytes.getOrDefault(key, 0L), expected, found);
            });
            long dataBytes = 0;
            for (long i = 0; i < tensorCount; i++) {
                dataBytes = tensor(i, dataBytes);
            }
            // No padding without tensors: gguf-py's vocabulary files end with their last key.
            long end = in.position();
            long dataStart = tensorCount == 0 ? end : GgufLimits.pad(end, alignment);
            return new GgufHeader(version, order, metadata, tensors, alignment, dataStart, dataBytes);
        }

        private int preamble() {
            int magic = in.i32("a GGUF header");
            if (magic != GgufLimits.MAGIC) {
                throw in.expected(0, "the magic bytes GGUF", Quoted.of(ascii(magic)));
            }
            int version = in.i32("a version");
            // As gguf.cpp does: no version is so high that its low half is zero.
            if ((version & 0xffff) == 0 && version != 0) {
                order = ByteOrder.BIG_ENDIAN;
                in.swap();
                version = Integer.reverseBytes(version);
            }
            if (version == 1) {
                throw in.expected(4, "GGUF version 2 or 3", "1")
                        .withHint("convert the original checkpoint again; version 1 was written in August 2023 only");
            }
            if (version != 2 && version != GgufLimits.VERSION) {
                throw in.expected(4, "GGUF version 2 or 3", Integer.toUnsignedString(version));
            }
            return version;
        }

        private static String ascii(int magic) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < Integer.BYTES; i++) {
                text.append((char) (magic >>> 8 * i & 0xff));
            }
            return text.toString();
        }

        private void key(long index) {
            in.about("key " + index);
            long where = in.position();
            String key = in.name("a key", GgufLimits.MAX_KEY_BYTES);
            in.about("key " + Quoted.of(key));
            if (metadata.get(key).isPresent()) {
                throw in.expected(where, "each key once", "this one again");
            }
            keyBytes.put(key, where);
            metadata.put(key, value(type("a value type")));
        }

        private GgufType type(String what) {
            long where = in.position();
            int id = in.i32(what);
            return GgufType.fromId(id)
                    .orElseThrow(() -> in.expected(where, what + " from 0 to 12", Integer.toString(id)));
        }

        private GgufValue value(GgufType type) {
            return switch (type) {
                case UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64 -> new GgufValue.Int(type, integer(type));
                case FLOAT32 -> new GgufValue.Real(type, FloatBits.widen(in.i32("a float")));
                case FLOAT64 -> new GgufValue.Real(type, Double.longBitsToDouble(in.i64("a double")));
                case BOOL -> new GgufValue.Bool(integer(type) == 1);
                case STRING -> new GgufValue.Text(in.string("a string", GgufLimits.MAX_STRING_BYTES));
                case ARRAY -> array();
            };
        }

        private long integer(GgufType type) {
            String what = "a value";
            return switch (type) {
                case UINT8 -> in.u8(what);
                case INT8 -> (byte) in.u8(what);
                case UINT16 -> in.u16(what);
                case INT16 -> (short) in.u16(what);
                case UINT32 -> in.u32(what);
                case INT32 -> in.i32(what);
                case UINT64, INT64 -> in.i64(what);
                case BOOL -> bool();
                case FLOAT32, FLOAT64, STRING, ARRAY -> throw new IllegalArgumentException(type + " is no integer");
            };
        }

        private int bool() {
            long where = in.position();
            int value = in.u8("a value");
            if (value > 1) {
                throw in.expected(where, "0 or 1 for a boolean", Integer.toString(value));
            }
            return value;
        }

        private GgufValue array() {
            long where = in.position();
            GgufType element = type("an element type");
            if (element == GgufType.ARRAY) {
                throw in.expected(where, "an array of numbers, booleans or strings", "an array of arrays");
            }
            int least = element == GgufType.STRING ? Long.BYTES : element.bytes();
            int size = (int) in.count("a number of elements", GgufLimits.MAX_ARRAY_ELEMENTS, least);
            return switch (element) {
                case STRING -> {
                    byte[][] values = new byte[size][];
                    for (int i = 0; i < size; i++) {
                        values[i] = in.string("a string", GgufLimits.MAX_STRING_BYTES);
                    }
                    yield new GgufValue.Texts(values);
                }
                case FLOAT32 -> {
                    float[] values = new float[size];
                    for (int i = 0; i < size; i++) {
                        values[i] = Float.intBitsToFloat(in.i32("a float"));
                    }
                    yield new GgufValue.Floats(values);
                }
                case FLOAT64 -> {
                    double[] values = new double[size];
                    for (int i = 0; i < size; i++) {
                        values[i] = Double.longBitsToDouble(in.i64("a double"));
                    }
                    yield new GgufValue.Doubles(values);
                }
                case UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64, BOOL, ARRAY -> {
                    long[] values = new long[size];
                    for (int i = 0; i < size; i++) {
                        values[i] = integer(element);
                    }
                    yield new GgufValue.Ints(element, values);
                }
            };
        }

        private void readAlignment() {
            metadata.get(GgufLimits.ALIGNMENT_KEY).ifPresent(value -> {
                in.about("key " + Quoted.of(GgufLimits.ALIGNMENT_KEY));
                long where = keyBytes.getOrDefault(GgufLimits.ALIGNMENT_KEY, 0L);
                if (!(value instanceof GgufValue.Int(GgufType type, long number)) || type != GgufType.UINT32) {
                    throw in.expected(where, "a UINT32", "a value of type " + value.type());
                }
                if (!GgufLimits.isAlignment(number)) {
                    throw in.expected(where, "a power of two up to " + GgufLimits.MAX_ALIGNMENT, number);
                }
                alignment = (int) number;
            });
        }

        /** @param offset where the tensor's data must begin; @return where the next one's must */
        private long tensor(long index, long offset) {
            in.about("tensor " + index);
            long where = in.position();
            String name = in.name("a tensor name", GgufLimits.MAX_NAME_BYTES);
            in.about("tensor " + Quoted.of(name));
            if (tensors.containsKey(name)) {
                throw in.expected(where, "each tensor once", "this one again");
            }
            Shape shape = shape();
            QuantType type = quantType();
            if (shape.rowLength() % type.blockLength() != 0) {
                throw in.expected(
                        where,
                        "rows of whole " + type + " blocks of " + type.blockLength(),
                        "rows of " + shape.rowLength());
            }
            long offsetAt = in.position();
            long found = in.i64("an offset");
            if (found != offset) {
                throw in.expected(
                        offsetAt, "offset " + offset + ", the end of the tensor before", Long.toUnsignedString(found));
            }
            try {
                long bytes = GgufLimits.tensorBytes(type, shape);
                tensors.put(name, new GgufTensor(name, type, shape, offset, bytes));
                return GgufLimits.pad(Math.addExact(offset, bytes), alignment);
            } catch (ArithmeticException e) {
                throw in.expected(where, "a file of at most 2^63-1 bytes", type + " " + shape)
                        .withCause(e);
            }
        }

        private Shape shape() {
            long where = in.position();
            long rank = in.u32("a number of dimensions");
            if (rank > GgufLimits.MAX_DIMS) {
                throw in.expected(where, "at most " + GgufLimits.MAX_DIMS + " dimensions", rank);
            }
            long[] dims = new long[(int) rank];
            for (int axis = dims.length - 1; axis >= 0; axis--) {
                long dimAt = in.position();
                dims[axis] = in.i64("a dimension");
                if (dims[axis] < 0) {
                    throw in.expected(dimAt, "a dimension up to 2^63-1", Long.toUnsignedString(dims[axis]));
                }
            }
            try {
                return Shape.of(dims);
            } catch (IllegalArgumentException e) {
                throw in.expected(where, "at most 2^63-1 elements", "dimensions " + Arrays.toString(dims))
                        .withCause(e);
            }
        }

        private QuantType quantType() {
            long where = in.position();
            int id = in.i32("a tensor type");
            return QuantType.fromId(id).orElseThrow(() -> unknownType(where, id));
        }

        private InputException unknownType(long where, int id) {
            String was = switch (id) {
                case 4 -> "Q4_2, removed in 2023";
                case 5 -> "Q4_3, removed in 2023";
                case 31, 32, 33 -> "Q4_0 interleaved for ARM, removed in 2024";
                case 36, 37, 38 -> "IQ4_NL interleaved for ARM, removed in 2024";
                default -> "";
            };
            String expected = "a tensor type known to llama.cpp v0.5.0";
            return was.isEmpty()
                    ? in.expected(where, expected, id).withHint("the file may be newer than this program")
                    : in.expected(where, expected, id + " (" + was + ")")
                            .withHint("quantize the original model again, to a type of today");
        }
    }
}
