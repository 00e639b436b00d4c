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

    public static Optional<GgufType> fromId(long id) {
        return id >= 0 && id < values().length && values()[(int) id].id == id
                ? Optional.of(values()[(int) id])
                : Optional.empty();
    }
}
