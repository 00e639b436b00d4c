package dev.quern.quantization.codes;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.scalar.CodePairs;
import dev.quern.quantization.scalar.Nibbles;
import dev.quern.quantization.scalar.NonlinearBlocks;
import dev.quern.quantization.scalar.OffsetSuperBlocks;
import dev.quern.quantization.scalar.SixBitScales;
import dev.quern.quantization.scalar.SixBitSuperBlocks;
import dev.quern.quantization.scalar.ThreeBitSuperBlocks;
import dev.quern.quantization.scalar.TwoBitSuperBlocks;
import java.util.Arrays;

/**
 * One row's scales, minima and codes, apart, and how they become blocks.
 *
 * @param d a factor of scales for each block; what F16 holds
 * @param dmin a factor of minima for each block; zeros where the type has none
 * @param scales for each group, within the form's range
 * @param minima for each group; zeros where the type has none
 * @param codes for each value, as an unsigned byte
 */
@SuppressWarnings("ArrayRecordComponent")
public record CodedRow(CodeForm form, float[] d, float[] dmin, byte[] scales, byte[] minima, byte[] codes) {
    private static final int SUPER_BLOCK = 256;

    /** A row of {@code length} values, all zeros. */
    public static CodedRow of(CodeForm form, int length) {
        int blocks = length / form.block();
        int groups = length / form.group();
        if (blocks * form.block() != length) {
            throw new IllegalArgumentException(length + " values are no whole " + form + " blocks");
        }
        return new CodedRow(
                form, new float[blocks], new float[blocks], new byte[groups], new byte[groups], new byte[length]);
    }

    /** The value at {@code i}, in the order of operations in which decoders compute it. */
    public float value(int i) {
        int block = i / form.block();
        int group = i / form.group();
        float level = form.level(codes[i] & 0xFF);
        if (!form.hasGroupScales()) {
            float scaled = level * d[block];
            return form.hasMinima() ? scaled - dmin[block] : scaled;
        }
        float scaled = d[block] * scales[group] * level;
        return form.hasMinima() ? scaled - dmin[block] * minima[group] : scaled;
    }

    /** Lays the blocks out from {@code to} on. */
    public void write(byte[] out, int to) {
        for (int block = 0; block < d.length; block++) {
            write(block, out, to + block * form.type().blockBytes());
        }
    }

    private void write(int block, byte[] out, int to) {
        int at = block * form.block();
        switch (form) {
            case Q4_0, IQ4_NL -> {
                BlockBytes.putHalf(out, to, d[block]);
                Nibbles.put(codes, at, out, to + 2);
            }
            case Q4_1 -> {
                putPair(block, out, to);
                Nibbles.put(codes, at, out, to + 4);
            }
            case Q5_0 -> {
                BlockBytes.putHalf(out, to, d[block]);
                Nibbles.putFifthBits(codes, at, out, to + 2);
                Nibbles.put(codes, at, out, to + 6);
            }
            case Q5_1 -> {
                putPair(block, out, to);
                Nibbles.putFifthBits(codes, at, out, to + 4);
                Nibbles.put(codes, at, out, to + 8);
            }
            case Q8_0 -> {
                BlockBytes.putHalf(out, to, d[block]);
                for (int i = 0; i < form.block(); i++) {
                    out[to + 2 + i] = (byte) (codes[at + i] - form.centre());
                }
            }
            case Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_XS -> writeSuperBlock(block, out, to);
        }
    }

    private void putPair(int block, byte[] out, int to) {
        BlockBytes.putHalf(out, to, d[block]);
        BlockBytes.putHalf(out, to + 2, -dmin[block]);
    }

    private void writeSuperBlock(int block, byte[] out, int to) {
        int at = block * SUPER_BLOCK;
        int groups = form.groups();
        byte[] own = Arrays.copyOfRange(codes, at, at + SUPER_BLOCK);
        byte[] ownScales = Arrays.copyOfRange(scales, block * groups, (block + 1) * groups);
        switch (form) {
            case Q2_K -> {
                for (int group = 0; group < groups; group++) {
                    out[to + group] = (byte) (ownScales[group] | minima[block * groups + group] << 4);
                }
                CodePairs.put(own, out, to + TwoBitSuperBlocks.CODES);
                BlockBytes.putHalf(out, to + TwoBitSuperBlocks.SCALE, d[block]);
                BlockBytes.putHalf(out, to + TwoBitSuperBlocks.MINIMUM, dmin[block]);
            }
            case Q3_K -> {
                for (int group = 0; group < groups; group++) {
                    ownScales[group] = (byte) (ownScales[group] + 32);
                }
                ThreeBitSuperBlocks.putScales(ownScales, out, to + ThreeBitSuperBlocks.SCALES);
                ThreeBitSuperBlocks.putThirdBits(own, out, to);
                CodePairs.put(own, out, to + ThreeBitSuperBlocks.CODES);
                BlockBytes.putHalf(out, to + ThreeBitSuperBlocks.SCALE, d[block]);
            }
            case Q6_K -> {
                SixBitSuperBlocks.put(own, out, to);
                System.arraycopy(ownScales, 0, out, to + SixBitSuperBlocks.SCALES, groups);
                BlockBytes.putHalf(out, to + SixBitSuperBlocks.SCALE, d[block]);
            }
            case IQ4_XS -> writeUneven(own, ownScales, d[block], out, to);
            default -> {
                BlockBytes.putHalf(out, to, d[block]);
                BlockBytes.putHalf(out, to + OffsetSuperBlocks.MINIMUM, dmin[block]);
                SixBitScales.put(scales, minima, block * groups, out, to + OffsetSuperBlocks.SCALES);
                int nibbles = to + OffsetSuperBlocks.FIFTH_BITS;
                if (form == CodeForm.Q5_K) {
                    OffsetSuperBlocks.putFifthBits(own, out, nibbles);
                    nibbles += OffsetSuperBlocks.GROUP;
                }
                OffsetSuperBlocks.putNibbles(own, out, nibbles);
            }
        }
    }

    private static void writeUneven(byte[] codes, byte[] scales, float d, byte[] out, int to) {
        BlockBytes.putHalf(out, to, d);
        Arrays.fill(out, to + NonlinearBlocks.LOWER_SCALES, to + NonlinearBlocks.CODES, (byte) 0);
        int upper = 0;
        for (int group = 0; group < scales.length; group++) {
            int code = scales[group] + 32;
            out[to + NonlinearBlocks.LOWER_SCALES + group / 2] |= (byte) ((code & 0x0F) << group % 2 * 4);
            upper |= code >> 4 << 2 * group;
            Nibbles.put(codes, group * 32, out, to + NonlinearBlocks.CODES + group * 16);
        }
        BlockBytes.putShort(out, to + NonlinearBlocks.UPPER_SCALES, upper);
    }
}
