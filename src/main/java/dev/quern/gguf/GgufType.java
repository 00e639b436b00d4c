package dev.quern.gguf;

import java.util.Optional;

/** The types of metadata values, with their ids in the file and the bytes a fixed-size value takes (0: variable). */
public enum GgufType {
    UINT8(0, 1),
    INT8(1, 1),
    UINT16(2, 2),
    INT16(3, 2),
    UINT32(4, 4),
    INT32(5, 4),
    FLOAT32(6, 4),
    BOOL(7, 1),
    STRING(8, 0),
    ARRAY(9, 0),
    UINT64(10, 8),
    INT64(11, 8),
    FLOAT64(12, 8);

    private final int id;
    private final int bytes;

    GgufType(int id, int bytes) {
        this.id = id;
        this.bytes = bytes;
    }

    public int id() {
        return id;
    }

    public int bytes() {
        return bytes;
    }

    /** Whether a number is in the range of this integer type (or is 0 or 1 for BOOL); false for other types. */
    boolean holds(long value) {
        return switch (this) {
            case UINT8 -> value == (value & 0xff);
            case INT8 -> value == (byte) value;
            case UINT16 -> value == (value & 0xffff);
            case INT16 -> value == (short) value;
            case UINT32 -> value == (value & 0xffff_ffffL);
            case INT32 -> value == (int) value;
            case BOOL -> value == (value & 1);
            case UINT64, INT64 -> true;
            case FLOAT32, STRING, ARRAY, FLOAT64 -> false;
        };
    }

    public static Optional<GgufType> fromId(long id) {
        return id >= 0 && id < values().length && values()[(int) id].id == id
                ? Optional.of(values()[(int) id])
                : Optional.empty();
    }
}
