package dev.quern.quantization;

import java.util.Locale;
import java.util.Optional;

/**
 * The tensor types of GGUF as of llama.cpp v0.5.0: the id in the file, values in a block, bytes of a block. Ids that
 * ggml removed (4, 5, 31 to 33, 36 to 38) have no constant. {@code formats/ggml-types.json} says the same as data.
 */
public enum QuantType {
    F32(0, 1, 4),
    F16(1, 1, 2),
    Q4_0(2, 32, 18),
    Q4_1(3, 32, 20),
    Q5_0(6, 32, 22),
    Q5_1(7, 32, 24),
    Q8_0(8, 32, 34),
    Q8_1(9, 32, 36),
    Q2_K(10, 256, 84),
    Q3_K(11, 256, 110),
    Q4_K(12, 256, 144),
    Q5_K(13, 256, 176),
    Q6_K(14, 256, 210),
    Q8_K(15, 256, 292),
    IQ2_XXS(16, 256, 66),
    IQ2_XS(17, 256, 74),
    IQ3_XXS(18, 256, 98),
    IQ1_S(19, 256, 50),
    IQ4_NL(20, 32, 18),
    IQ3_S(21, 256, 110),
    IQ2_S(22, 256, 82),
    IQ4_XS(23, 256, 136),
    I8(24, 1, 1),
    I16(25, 1, 2),
    I32(26, 1, 4),
    I64(27, 1, 8),
    F64(28, 1, 8),
    IQ1_M(29, 256, 56),
    BF16(30, 1, 2),
    TQ1_0(34, 256, 54),
    TQ2_0(35, 256, 66),
    MXFP4(39, 32, 17),
    NVFP4(40, 64, 36),
    Q1_0(41, 128, 18),
    Q2_0(42, 64, 18);

    private final int id;
    private final int blockLength;
    private final int blockBytes;

    QuantType(int id, int blockLength, int blockBytes) {
        this.id = id;
        this.blockLength = blockLength;
        this.blockBytes = blockBytes;
    }

    /** The number that stands for this type in a GGUF file ({@code enum ggml_type}). */
    public int id() {
        return id;
    }

    /** Values in a block. */
    public int blockLength() {
        return blockLength;
    }

    /** Bytes of a block. */
    public int blockBytes() {
        return blockBytes;
    }

    /** Bytes of {@code values} values, which must be whole blocks. */
    public long bytesFor(long values) {
        if (values % blockLength != 0) {
            throw new IllegalArgumentException(values + " values are not whole " + this + " blocks of " + blockLength);
        }
        return Math.multiplyExact(values / blockLength, blockBytes);
    }

    public double bitsPerWeight() {
        return 8.0 * blockBytes / blockLength;
    }

    public boolean isQuantized() {
        return switch (this) {
            case F32, F16, BF16, F64, I8, I16, I32, I64 -> false;
            default -> true;
        };
    }

    public static Optional<QuantType> fromId(long id) {
        for (QuantType type : values()) {
            if (type.id == id) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    /** By name, in any case. */
    public static Optional<QuantType> fromName(String name) {
        String upper = name.toUpperCase(Locale.ROOT);
        for (QuantType type : values()) {
            if (type.name().equals(upper)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }
}
