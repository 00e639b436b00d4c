package dev.quern.gguf;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * A metadata value. Strings are kept as the bytes they are (GGUF promises UTF-8, files break the promise), so that a
 * file can be rewritten byte for byte.
 */
public sealed interface GgufValue {
    GgufType type();

    static GgufValue u8(int value) {
        return new Int(GgufType.UINT8, value);
    }

    static GgufValue u16(int value) {
        return new Int(GgufType.UINT16, value);
    }

    static GgufValue u32(long value) {
        return new Int(GgufType.UINT32, value);
    }

    static GgufValue i32(int value) {
        return new Int(GgufType.INT32, value);
    }

    static GgufValue u64(long value) {
        return new Int(GgufType.UINT64, value);
    }

    static GgufValue f32(float value) {
        return new Real(GgufType.FLOAT32, value);
    }

    static GgufValue bool(boolean value) {
        return new Bool(value);
    }

    static GgufValue text(String value) {
        return new Text(value.getBytes(StandardCharsets.UTF_8));
    }

    static GgufValue texts(List<String> values) {
        return new Texts(
                values.stream().map(v -> v.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new));
    }

    static GgufValue u32s(int... values) {
        return new Ints(GgufType.UINT32, Arrays.stream(values).asLongStream().toArray());
    }

    static GgufValue i32s(int... values) {
        return new Ints(GgufType.INT32, Arrays.stream(values).asLongStream().toArray());
    }

    static GgufValue f32s(float... values) {
        return new Floats(values);
    }

    /** One integer; {@code value} holds a UINT64 as its 64 bits. */
    record Int(GgufType type, long value) implements GgufValue {
        public Int {
            if (type == GgufType.BOOL || !type.holds(value)) {
                throw new IllegalArgumentException(value + " is no " + type);
            }
        }
    }

    /** FLOAT32 or FLOAT64; a double holds every float, and reader and writer carry a NaN's bits through it. */
    record Real(GgufType type, double value) implements GgufValue {
        public Real {
            if (type != GgufType.FLOAT32 && type != GgufType.FLOAT64) {
                throw new IllegalArgumentException(type + " is no floating-point type");
            }
        }
    }

    record Bool(boolean value) implements GgufValue {
        @Override
        public GgufType type() {
            return GgufType.BOOL;
        }
    }

    @SuppressWarnings("ArrayRecordComponent") // bytes of the file, never changed; equality is defined below
    record Text(byte[] utf8) implements GgufValue {
        @Override
        public GgufType type() {
            return GgufType.STRING;
        }

        /** The bytes as text; what is not UTF-8 becomes U+FFFD. */
        public String text() {
            return new String(utf8, StandardCharsets.UTF_8);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Text text && Arrays.equals(utf8, text.utf8);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(utf8);
        }
    }

    /** An array; {@code element} is its elements' type. */
    sealed interface Array extends GgufValue {
        GgufType element();

        int size();

        @Override
        default GgufType type() {
            return GgufType.ARRAY;
        }
    }

    /** Integers or booleans (0 and 1). */
    @SuppressWarnings("ArrayRecordComponent")
    record Ints(GgufType element, long[] values) implements Array {
        public Ints {
            for (long value : values) {
                if (!element.holds(value)) {
                    throw new IllegalArgumentException(value + " is no " + element);
                }
            }
        }

        @Override
        public int size() {
            return values.length;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Ints ints && element == ints.element && Arrays.equals(values, ints.values);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(values);
        }
    }

    @SuppressWarnings("ArrayRecordComponent")
    record Floats(float[] values) implements Array {
        @Override
        public GgufType element() {
            return GgufType.FLOAT32;
        }

        @Override
        public int size() {
            return values.length;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Floats floats && Arrays.equals(values, floats.values);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(values);
        }
    }

    @SuppressWarnings("ArrayRecordComponent")
    record Doubles(double[] values) implements Array {
        @Override
        public GgufType element() {
            return GgufType.FLOAT64;
        }

        @Override
        public int size() {
            return values.length;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Doubles doubles && Arrays.equals(values, doubles.values);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(values);
        }
    }

    @SuppressWarnings("ArrayRecordComponent")
    record Texts(byte[][] values) implements Array {
        @Override
        public GgufType element() {
            return GgufType.STRING;
        }

        @Override
        public int size() {
            return values.length;
        }

        public String text(int index) {
            return new String(values[index], StandardCharsets.UTF_8);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Texts texts && Arrays.deepEquals(values, texts.values);
        }

        @Override
        public int hashCode() {
            return Arrays.deepHashCode(values);
        }
    }
}
