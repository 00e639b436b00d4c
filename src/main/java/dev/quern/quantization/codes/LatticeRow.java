package dev.quern.quantization.codes;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.scalar.Iq2S;
import dev.quern.quantization.scalar.Iq2Xs;
import dev.quern.quantization.scalar.Iq2Xxs;
import dev.quern.quantization.scalar.Iq3S;
import dev.quern.quantization.scalar.Iq3Xxs;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * One row's scales, points and signs, apart, and how they become blocks.
 *
 * @param d a factor of scales for each block; what F16 holds
 * @param steps for each group, the 4-bit number of its scale
 * @param points for each four or eight values, as the grid has coordinates, a point's number
 * @param signs for each eight values, a bit set for each minus; even in number where the form wants that
 */
@SuppressWarnings("ArrayRecordComponent")
public record LatticeRow(LatticeForm form, float[] d, byte[] steps, char[] points, byte[] signs) {
    private static final int BLOCK = 256;

    /** A row of {@code length} values. */
    public static LatticeRow of(LatticeForm form, int length) {
        int blocks = length / form.block();
        if (blocks * form.block() != length) {
            throw new IllegalArgumentException(length + " values are no whole " + form + " blocks");
        }
        return new LatticeRow(
                form,
                new float[blocks],
                new byte[length / form.group()],
                new char[length / form.grid().dimension()],
                new byte[length / LatticeForm.SIGNS]);
    }

    /** The value at {@code i}. */
    public float value(int i) {
        int dimension = form.grid().dimension();
        float scale = d[i / BLOCK] * form.scale(steps[i / form.group()]);
        float magnitude = scale * form.grid().value(points[i / dimension], i % dimension);
        return (signs[i / LatticeForm.SIGNS] >> i % LatticeForm.SIGNS & 1) == 0 ? magnitude : -magnitude;
    }

    /** Takes the factors and scales of blocks from {@code from} on, and leaves their points. */
    public void readScales(byte[] blocks, int from) {
        MemorySegment bytes = MemorySegment.ofArray(blocks);
        for (int block = 0; block < d.length; block++) {
            int at = from + block * form.type().blockBytes();
            d[block] = BlockBytes.half(bytes, at);
            for (int group = 0; group < form.groups(); group++) {
                int scales = blocks[at + scaleByte(group)] >> scaleShift(group);
                steps[block * form.groups() + group] = (byte) (scales & LatticeForm.HIGHEST_STEP);
            }
        }
    }

    private int scaleByte(int group) {
        return switch (form) {
            case IQ2_XXS -> Iq2Xxs.SIGNS + 8 * group + 3;
            case IQ2_XS -> Iq2Xs.SCALES + group / 2;
            case IQ2_S -> Iq2S.SCALES + group / 2;
            case IQ3_XXS -> Iq3Xxs.SIGNS + 4 * group + 3;
            case IQ3_S -> Iq3S.SCALES + group / 2;
        };
    }

    private int scaleShift(int group) {
        return switch (form) {
            case IQ2_XXS, IQ3_XXS -> 4;
            case IQ2_XS, IQ2_S, IQ3_S -> group % 2 * 4;
        };
    }

    /** Lays the blocks out from {@code to} on. */
    public void write(byte[] out, int to) {
        Arrays.fill(out, to, to + d.length * form.type().blockBytes(), (byte) 0);
        for (int block = 0; block < d.length; block++) {
            int at = to + block * form.type().blockBytes();
            BlockBytes.putHalf(out, at, d[block]);
            int point = block * BLOCK / form.grid().dimension();
            int sign = block * BLOCK / LatticeForm.SIGNS;
            switch (form) {
                case IQ2_XXS -> {
                    for (int group = 0; group < form.groups(); group++) {
                        putLowBits(point + 4 * group, 4, out, at + Iq2Xxs.POINTS + 8 * group);
                        putEvenSigns(sign + 4 * group, out, at + Iq2Xxs.SIGNS + 8 * group);
                    }
                }
                case IQ2_XS -> {
                    for (int i = 0; i < BLOCK / LatticeForm.SIGNS; i++) {
                        int sevenBits = signs[sign + i] & 127;
                        BlockBytes.putShort(out, at + Iq2Xs.POINTS + 2 * i, points[point + i] | sevenBits << 9);
                    }
                }
                case IQ2_S -> {
                    int count = BLOCK / LatticeForm.SIGNS;
                    putLowBits(point, count, out, at + Iq2S.POINTS);
                    putHighBits(point, count, 2, out, at + Iq2S.HIGH_BITS);
                    System.arraycopy(signs, sign, out, at + Iq2S.SIGNS, count);
                }
                case IQ3_XXS -> {
                    putLowBits(point, BLOCK / 4, out, at + Iq3Xxs.POINTS);
                    for (int group = 0; group < form.groups(); group++) {
                        putEvenSigns(sign + 4 * group, out, at + Iq3Xxs.SIGNS + 4 * group);
                    }
                }
                case IQ3_S -> {
                    putLowBits(point, BLOCK / 4, out, at + Iq3S.POINTS);
                    putHighBits(point, BLOCK / 4, 1, out, at + Iq3S.HIGH_BITS);
                    System.arraycopy(signs, sign, out, at + Iq3S.SIGNS, BLOCK / LatticeForm.SIGNS);
                }
            }
            for (int group = 0; group < form.groups(); group++) {
                out[at + scaleByte(group)] |= (byte) (steps[block * form.groups() + group] << scaleShift(group));
            }
        }
    }

    private void putLowBits(int point, int count, byte[] out, int to) {
        for (int i = 0; i < count; i++) {
            out[to + i] = (byte) points[point + i];
        }
    }

    /** What of points' numbers is above eight bits, so many bits each. */
    private void putHighBits(int point, int count, int bits, byte[] out, int to) {
        for (int i = 0; i < count; i++) {
            out[to + i * bits / 8] |= (byte) (points[point + i] >> 8 << i * bits % 8);
        }
    }

    /** Four times seven signs; the eighth is the parity of the others. */
    private void putEvenSigns(int sign, byte[] out, int to) {
        int packed = 0;
        for (int i = 0; i < 4; i++) {
            packed |= (signs[sign + i] & 127) << 7 * i;
        }
        BlockBytes.putInt(out, to, packed);
    }
}
