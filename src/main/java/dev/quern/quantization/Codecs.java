package dev.quern.quantization;

import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.SearchCodec;
import dev.quern.quantization.scalar.E2m1;
import dev.quern.quantization.scalar.EightBitBlocks;
import dev.quern.quantization.scalar.FloatTypes;
import dev.quern.quantization.scalar.Iq1M;
import dev.quern.quantization.scalar.Iq1S;
import dev.quern.quantization.scalar.Iq2S;
import dev.quern.quantization.scalar.Iq2Xs;
import dev.quern.quantization.scalar.Iq2Xxs;
import dev.quern.quantization.scalar.Iq3S;
import dev.quern.quantization.scalar.Iq3Xxs;
import dev.quern.quantization.scalar.Mxfp4;
import dev.quern.quantization.scalar.NonlinearBlocks;
import dev.quern.quantization.scalar.Nvfp4;
import dev.quern.quantization.scalar.OffsetBlocks;
import dev.quern.quantization.scalar.OffsetSuperBlocks;
import dev.quern.quantization.scalar.Q1;
import dev.quern.quantization.scalar.Q2;
import dev.quern.quantization.scalar.SixBitSuperBlocks;
import dev.quern.quantization.scalar.SymmetricBlocks;
import dev.quern.quantization.scalar.ThreeBitSuperBlocks;
import dev.quern.quantization.scalar.Tq1;
import dev.quern.quantization.scalar.Tq2;
import dev.quern.quantization.scalar.TwoBitSuperBlocks;
import dev.quern.quantization.simd.SimdBFloat16;
import dev.quern.quantization.simd.SimdDecoders;
import dev.quern.quantization.simd.SimdEightBitBlocks;
import dev.quern.quantization.simd.SimdNonlinearBlocks;
import dev.quern.quantization.simd.SimdOffsetBlocks;
import dev.quern.quantization.simd.SimdOffsetSuperBlocks;
import dev.quern.quantization.simd.SimdSearches;
import dev.quern.quantization.simd.SimdSixBitSuperBlocks;
import dev.quern.quantization.simd.SimdSymmetricBlocks;
import dev.quern.quantization.simd.SimdThreeBitSuperBlocks;
import dev.quern.quantization.simd.SimdTwoBitSuperBlocks;
import dev.quern.tensor.RowDecoder;
import java.util.Optional;

/** The one place where a block type's codec is chosen. */
public final class Codecs {
    private Codecs() {}

    /** Whether tensors can be stored as this type; the others are for integers, or for products alone (Q8_1, Q8_K). */
    public static boolean canQuantize(QuantType type) {
        return switch (type) {
            case I8, I16, I32, I64, F64, Q8_1, Q8_K -> false;
            default -> true;
        };
    }

    /** Whether ggml cannot encode a type without an importance matrix (ggml_quantize_requires_imatrix). */
    public static boolean needsImportance(QuantType type) {
        return type == QuantType.IQ2_XXS || type == QuantType.IQ2_XS || type == QuantType.IQ1_S;
    }

    /**
     * A new codec for one thread.
     *
     * @throws IllegalArgumentException for a type that nothing is quantized to (I8, Q8_K, …)
     */
    public static BlockCodec create(QuantType type, Kernel kernel) {
        return switch (kernel) {
            case SCALAR -> scalar(type);
            case SIMD -> simd(type);
        };
    }

    /** A codec that searches instead of choosing as the reference does; empty for types without codes of their own. */
    public static Optional<BlockCodec> searching(QuantType type) {
        return CodeForm.of(type).map(form -> new SearchCodec(form, decoder(type)));
    }

    private static BlockCodec simd(QuantType type) {
        return switch (type) {
            case BF16 -> new SimdBFloat16();
            case Q8_0 -> new SimdEightBitBlocks();
            case Q4_0 -> SimdSymmetricBlocks.fourBit();
            case Q4_1 -> SimdOffsetBlocks.fourBit();
            case Q5_0 -> SimdSymmetricBlocks.fiveBit();
            case Q5_1 -> SimdOffsetBlocks.fiveBit();
            case Q2_K -> new SimdTwoBitSuperBlocks();
            case Q3_K -> new SimdThreeBitSuperBlocks();
            case Q4_K -> SimdOffsetSuperBlocks.fourBit();
            case Q5_K -> SimdOffsetSuperBlocks.fiveBit();
            case Q6_K -> new SimdSixBitSuperBlocks();
            case IQ2_XXS -> SimdSearches.iq2Xxs();
            case IQ2_XS -> SimdSearches.iq2Xs();
            case IQ3_XXS -> SimdSearches.iq3Xxs();
            case IQ1_S -> SimdSearches.iq1S();
            case IQ3_S -> SimdSearches.iq3S();
            case IQ2_S -> SimdSearches.iq2S();
            case IQ1_M -> SimdSearches.iq1M();
            case MXFP4 -> SimdSearches.mxfp4();
            case NVFP4 -> SimdSearches.nvfp4();
            case IQ4_NL -> SimdNonlinearBlocks.blocks();
            case IQ4_XS -> SimdNonlinearBlocks.superBlocks();
            default -> scalar(type);
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
            case Q2_K -> new TwoBitSuperBlocks();
            case Q3_K -> new ThreeBitSuperBlocks();
            case Q4_K -> OffsetSuperBlocks.fourBit();
            case Q5_K -> OffsetSuperBlocks.fiveBit();
            case Q6_K -> new SixBitSuperBlocks();
            case IQ4_NL -> NonlinearBlocks.blocks();
            case IQ4_XS -> NonlinearBlocks.superBlocks();
            case IQ2_XXS -> new Iq2Xxs();
            case IQ2_XS -> new Iq2Xs();
            case IQ3_XXS -> new Iq3Xxs();
            case IQ1_S -> new Iq1S();
            case IQ3_S -> new Iq3S();
            case IQ2_S -> new Iq2S();
            case IQ1_M -> new Iq1M();
            case TQ1_0 -> new Tq1();
            case TQ2_0 -> new Tq2();
            case MXFP4 -> new Mxfp4(new E2m1());
            case NVFP4 -> new Nvfp4(new E2m1());
            case Q1_0 -> new Q1();
            case Q2_0 -> new Q2();
            default -> throw new IllegalArgumentException("no codec for " + type);
        };
    }

    /** A stateless decoder of a type's blocks. */
    public static RowDecoder decoder(QuantType type) {
        return decoder(type, Kernel.SCALAR);
    }

    /** The same with a choice; SIMD pays where much is decoded, once it is compiled. */
    public static RowDecoder decoder(QuantType type, Kernel kernel) {
        return switch (kernel) {
            case SCALAR -> scalarDecoder(type);
            case SIMD -> simdDecoder(type);
        };
    }

    private static RowDecoder simdDecoder(QuantType type) {
        return switch (type) {
            case BF16 -> SimdBFloat16::decodeRow;
            case Q8_0 -> SimdDecoders::eightBit;
            case Q4_0 -> SimdDecoders::symmetricFourBit;
            case Q4_K -> SimdDecoders::offsetSuperFourBit;
            case Q5_K -> SimdDecoders::offsetSuperFiveBit;
            case Q6_K -> SimdDecoders::sixBit;
            default -> scalarDecoder(type);
        };
    }

    private static RowDecoder scalarDecoder(QuantType type) {
        return switch (type) {
            case F32 -> FloatTypes::decodeF32;
            case F16 -> FloatTypes::decodeF16;
            case BF16 -> FloatTypes::decodeBF16;
            case Q8_0 -> EightBitBlocks::decodeBlocks;
            case Q4_0 -> SymmetricBlocks::decodeFourBit;
            case Q4_1 -> OffsetBlocks::decodeFourBit;
            case Q5_0 -> SymmetricBlocks::decodeFiveBit;
            case Q5_1 -> OffsetBlocks::decodeFiveBit;
            case Q2_K -> TwoBitSuperBlocks::decodeBlocks;
            case Q3_K -> ThreeBitSuperBlocks::decodeBlocks;
            case Q4_K -> OffsetSuperBlocks::decodeFourBit;
            case Q5_K -> OffsetSuperBlocks::decodeFiveBit;
            case Q6_K -> SixBitSuperBlocks::decodeBlocks;
            case IQ4_NL -> NonlinearBlocks::decodeBlocks;
            case IQ4_XS -> NonlinearBlocks::decodeSuperBlocks;
            case IQ2_XXS -> Iq2Xxs::decodeBlocks;
            case IQ2_XS -> Iq2Xs::decodeBlocks;
            case IQ3_XXS -> Iq3Xxs::decodeBlocks;
            case IQ1_S -> Iq1S::decodeBlocks;
            case IQ3_S -> Iq3S::decodeBlocks;
            case IQ2_S -> Iq2S::decodeBlocks;
            case IQ1_M -> Iq1M::decodeBlocks;
            case TQ1_0 -> Tq1::decodeBlocks;
            case TQ2_0 -> Tq2::decodeBlocks;
            case MXFP4 -> Mxfp4::decodeBlocks;
            case NVFP4 -> Nvfp4::decodeBlocks;
            case Q1_0 -> Q1::decodeBlocks;
            case Q2_0 -> Q2::decodeBlocks;
            default -> throw new IllegalArgumentException("no decoder for " + type);
        };
    }
}
