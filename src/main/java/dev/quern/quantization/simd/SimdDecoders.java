package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.BYTES;
import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.INTS;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.scalar.OffsetSuperBlocks;
import dev.quern.quantization.scalar.SixBitScales;
import dev.quern.quantization.scalar.SixBitSuperBlocks;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** Blocks to values for the types that models mostly come in; each value the same product as in the scalar decoder. */
public final class SimdDecoders {
    private static final int BLOCK = 32;
    private static final int SUPER_BLOCK = 256;

    private SimdDecoders() {}

    public static void eightBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += BLOCK, at += 34) {
            eightBitBlock(blocks, at + 2, BlockBytes.half(blocks, at), out, to + done);
        }
    }

    private static void eightBitBlock(MemorySegment blocks, long codes, float scale, float[] out, int to) {
        for (int i = 0; i < BLOCK; i += COUNT) {
            ((FloatVector) ByteVector.fromMemorySegment(BYTES, blocks, codes + i, LITTLE_ENDIAN)
                            .convertShape(VectorOperators.B2F, Lanes.FLOATS, 0))
                    .mul(scale)
                    .intoArray(out, to + i);
        }
    }

    public static void symmetricFourBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += BLOCK, at += 18) {
            symmetricNibbles(blocks, at + 2, BlockBytes.half(blocks, at), out, to + done);
        }
    }

    private static void symmetricNibbles(MemorySegment blocks, long codes, float scale, float[] out, int to) {
        for (int i = 0; i < BLOCK / 2; i += COUNT) {
            IntVector pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, blocks, codes + i, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            ((FloatVector) pairs.and(15).sub(8).convert(VectorOperators.I2F, 0))
                    .mul(scale)
                    .intoArray(out, to + i);
            ((FloatVector) pairs.lanewise(VectorOperators.LSHR, 4).sub(8).convert(VectorOperators.I2F, 0))
                    .mul(scale)
                    .intoArray(out, to + BLOCK / 2 + i);
        }
    }

    public static void offsetSuperFourBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += SUPER_BLOCK, at += 144) {
            float scale = BlockBytes.half(blocks, at);
            float minimum = BlockBytes.half(blocks, at + OffsetSuperBlocks.MINIMUM);
            long scales = at + OffsetSuperBlocks.SCALES;
            for (int pair = 0; pair < 4; pair++) {
                offsetNibbles(
                        blocks,
                        at + OffsetSuperBlocks.FIFTH_BITS + pair * 32L,
                        scale * SixBitScales.scale(blocks, scales, 2 * pair),
                        minimum * SixBitScales.minimum(blocks, scales, 2 * pair),
                        scale * SixBitScales.scale(blocks, scales, 2 * pair + 1),
                        minimum * SixBitScales.minimum(blocks, scales, 2 * pair + 1),
                        out,
                        to + done + pair * 64);
            }
        }
    }

    private static void offsetNibbles(
            MemorySegment blocks,
            long codes,
            float scale,
            float minimum,
            float nextScale,
            float nextMinimum,
            float[] out,
            int to) {
        for (int i = 0; i < 32; i += COUNT) {
            IntVector pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, blocks, codes + i, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            ((FloatVector) pairs.and(15).convert(VectorOperators.I2F, 0))
                    .mul(scale)
                    .sub(minimum)
                    .intoArray(out, to + i);
            ((FloatVector) pairs.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0))
                    .mul(nextScale)
                    .sub(nextMinimum)
                    .intoArray(out, to + 32 + i);
        }
    }

    public static void offsetSuperFiveBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += SUPER_BLOCK, at += 176) {
            float scale = BlockBytes.half(blocks, at);
            float minimum = BlockBytes.half(blocks, at + OffsetSuperBlocks.MINIMUM);
            long scales = at + OffsetSuperBlocks.SCALES;
            for (int pair = 0; pair < 4; pair++) {
                offsetFiveBits(
                        blocks,
                        at + OffsetSuperBlocks.FIFTH_BITS,
                        2 * pair,
                        scale * SixBitScales.scale(blocks, scales, 2 * pair),
                        minimum * SixBitScales.minimum(blocks, scales, 2 * pair),
                        scale * SixBitScales.scale(blocks, scales, 2 * pair + 1),
                        minimum * SixBitScales.minimum(blocks, scales, 2 * pair + 1),
                        out,
                        to + done + pair * 64);
            }
        }
    }

    private static void offsetFiveBits(
            MemorySegment blocks,
            long fifth,
            int group,
            float scale,
            float minimum,
            float nextScale,
            float nextMinimum,
            float[] out,
            int to) {
        long codes = fifth + 32 + group * 16L;
        for (int i = 0; i < 32; i += COUNT) {
            IntVector pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, blocks, codes + i, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            IntVector bits = ((IntVector) ByteVector.fromMemorySegment(BYTES, blocks, fifth + i, LITTLE_ENDIAN)
                            .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0))
                    .lanewise(VectorOperators.LSHR, group);
            IntVector low = pairs.and(15).or(bits.and(1).lanewise(VectorOperators.LSHL, 4));
            IntVector high =
                    pairs.lanewise(VectorOperators.LSHR, 4).or(bits.and(2).lanewise(VectorOperators.LSHL, 3));
            ((FloatVector) low.convert(VectorOperators.I2F, 0))
                    .mul(scale)
                    .sub(minimum)
                    .intoArray(out, to + i);
            ((FloatVector) high.convert(VectorOperators.I2F, 0))
                    .mul(nextScale)
                    .sub(nextMinimum)
                    .intoArray(out, to + 32 + i);
        }
    }

    public static void sixBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += SUPER_BLOCK, at += SixBitSuperBlocks.BYTES) {
            float scale = BlockBytes.half(blocks, at + SixBitSuperBlocks.SCALE);
            for (int half = 0; half < 2; half++) {
                long scales = at + SixBitSuperBlocks.SCALES + 8L * half;
                long low = at + 64L * half;
                long high = at + SixBitSuperBlocks.HIGH + 32L * half;
                int target = to + done + 128 * half;
                for (int i = 0; i < 32; i += COUNT) {
                    int side = i / 16;
                    float a = scale * blocks.get(ValueLayout.JAVA_BYTE, scales + side);
                    float b = scale * blocks.get(ValueLayout.JAVA_BYTE, scales + side + 2);
                    float c = scale * blocks.get(ValueLayout.JAVA_BYTE, scales + side + 4);
                    float d = scale * blocks.get(ValueLayout.JAVA_BYTE, scales + side + 6);
                    sixBits(blocks, low + i, high + i, a, b, c, d, out, target + i);
                }
            }
        }
    }

    /** Eight values each of four groups whose codes share bytes. */
    private static void sixBits(
            MemorySegment blocks, long low, long high, float a, float b, float c, float d, float[] out, int to) {
        IntVector ac = (IntVector) ByteVector.fromMemorySegment(BYTES, blocks, low, LITTLE_ENDIAN)
                .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
        IntVector bd = (IntVector) ByteVector.fromMemorySegment(BYTES, blocks, low + 32, LITTLE_ENDIAN)
                .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
        IntVector upper = (IntVector) ByteVector.fromMemorySegment(BYTES, blocks, high, LITTLE_ENDIAN)
                .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
        ((FloatVector) ac.and(15)
                        .or(upper.lanewise(VectorOperators.LSHL, 4).and(0x30))
                        .sub(32)
                        .convert(VectorOperators.I2F, 0))
                .mul(a)
                .intoArray(out, to);
        ((FloatVector) bd.and(15)
                        .or(upper.lanewise(VectorOperators.LSHL, 2).and(0x30))
                        .sub(32)
                        .convert(VectorOperators.I2F, 0))
                .mul(b)
                .intoArray(out, to + 32);
        ((FloatVector) ac.lanewise(VectorOperators.LSHR, 4)
                        .or(upper.and(0x30))
                        .sub(32)
                        .convert(VectorOperators.I2F, 0))
                .mul(c)
                .intoArray(out, to + 64);
        ((FloatVector) bd.lanewise(VectorOperators.LSHR, 4)
                        .or(upper.lanewise(VectorOperators.LSHR, 2).and(0x30))
                        .sub(32)
                        .convert(VectorOperators.I2F, 0))
                .mul(d)
                .intoArray(out, to + 96);
    }
}
