package dev.quern.quantization;

import dev.quern.quantization.scalar.EightBitBlocks;
import dev.quern.quantization.scalar.FloatTypes;
import dev.quern.quantization.scalar.OffsetBlocks;
import dev.quern.quantization.scalar.SixBitSuperBlocks;
import dev.quern.quantization.scalar.SymmetricBlocks;
import dev.quern.tensor.RowDecoder;

/** The one place where a block type's codec is chosen. */
public final class Codecs {
    private Codecs() {}

    /**
     * A new codec for one thread.
     *
     * @throws IllegalArgumentException for a type that nothing is quantized to (I8, Q8_K, …)
     */
    public static BlockCodec create(QuantType type, Kernel kernel) {
        return switch (kernel) {
            case SCALAR, SIMD -> scalar(type);
        };
    }

    private static BlockCodec scalar(QuantType type) {
        return switch (type) {
            case F32 -> new FloatTypes.F32();
            case F16 -> new FloatTypes.F16();
            case BF16 -> new FloatTypes.BF16();
            case Q8_0 -> new EightBitBlocks();
            case Q4_0 -> SymmetricBlocks.fourBit();
            case Q4_1 -> OffsetBlocks.fourBit();
            case Q5_0 -> SymmetricBlocks.fiveBit();
            case Q5_1 -> OffsetBlocks.fiveBit();
            case Q6_K -> new SixBitSuperBlocks();
            default -> throw new IllegalArgumentException("no codec for " + type);
        };
    }

    /** A stateless decoder of a type's blocks. */
    public static RowDecoder decoder(QuantType type) {
        return switch (type) {
            case F32 -> FloatTypes::decodeF32;
            case F16 -> FloatTypes::decodeF16;
            case BF16 -> FloatTypes::decodeBF16;
            case Q8_0 -> EightBitBlocks::decodeBlocks;
            case Q4_0 -> SymmetricBlocks::decodeFourBit;
            case Q4_1 -> OffsetBlocks::decodeFourBit;
            case Q5_0 -> SymmetricBlocks::decodeFiveBit;
            case Q5_1 -> OffsetBlocks::decodeFiveBit;
            case Q6_K -> SixBitSuperBlocks::decodeBlocks;
            default -> throw new IllegalArgumentException("no decoder for " + type);
        };
    }
}
