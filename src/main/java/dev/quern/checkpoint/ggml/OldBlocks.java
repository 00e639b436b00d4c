package dev.quern.checkpoint.ggml;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.tensor.Dequantized.BlockLayout;
import dev.quern.tensor.RowDecoder;
import dev.quern.tensor.TensorInfo;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;

/**
 * Blocks as ggml laid them out before 19 May 2023 (ggml.c of each time): decoded with the arithmetic of that time, and
 * turned into GGUF's blocks of the same name. Codes are taken as they are; a scale that was a float becomes the nearest
 * half, off by at most 1 part in 2048, as a value stored as F16 is; so is a minimum.
 *
 * @param apart whether a row has all its minimums, then all its scales, then all its codes, as Q4_1 had in March 2023
 */
record OldBlocks(TensorInfo info, Region bytes, Form form, boolean apart) implements RowDecoder, BlockLayout {
    /** Rows that are looked at to tell the two arrangements of Q4_1 apart; the first one that differs decides. */
    private static final int SAMPLED_BLOCKS = 4096;

    /**
     * @param type ggml's name
     * @param length values of a block
     * @param bits of a value
     * @param scaleBytes 4 for a float, 2 for a half
     * @param minimum whether a minimum follows the scale
     * @param pairs whether two values that follow each other share a byte, not one of each half
     */
    record Form(String type, int length, int bits, int scaleBytes, boolean minimum, boolean pairs) {
        /** Empty for types whose blocks are GGUF's, or that files of this version do not have. */
        static Optional<Form> of(long id, GgmlVersion version) {
            boolean pairs = version.pairsValues();
            int scale = version.wideScales() ? 4 : 2;
            if (version == GgmlVersion.GGJT_3) {
                return Optional.empty();
            }
            return switch ((int) id) {
                case 2 -> Optional.of(new Form("Q4_0", 32, 4, scale, false, pairs));
                case 3 -> Optional.of(new Form("Q4_1", 32, 4, scale, true, pairs));
                case 4 -> pairs ? Optional.of(new Form("Q4_2", 16, 4, 2, false, true)) : Optional.empty();
                case 5 -> pairs ? Optional.of(new Form("Q4_3", 16, 4, 2, true, true)) : Optional.empty();
                case 6 -> Optional.of(new Form("Q5_0", 32, 5, 2, false, pairs));
                case 7 -> Optional.of(new Form("Q5_1", 32, 5, 2, true, pairs));
                case 8 -> Optional.of(new Form("Q8_0", 32, 8, scale, false, pairs));
                default -> Optional.empty();
            };
        }

        /** Scale, minimum, fifth bits, codes. */
        int bytes() {
            return headBytes() + (bits == 5 ? length / 8 : 0) + length * (bits == 8 ? 8 : 4) / 8;
        }

        /** Of scale and minimum. */
        int headBytes() {
            return minimum ? 2 * scaleBytes : scaleBytes;
        }

        /** Whether GGUF has a type of this name; Q4_2 and Q4_3 were removed. */
        boolean inGguf() {
            return length == 32;
        }

        int ggufBytes() {
            return bytes() - headBytes() + (minimum ? 4 : 2);
        }

        /** What a code of 0 stands for, in scales. */
        int offset() {
            return minimum || bits == 8 ? 0 : -(1 << bits - 1);
        }
    }

    static OldBlocks of(TensorInfo info, Region bytes, Form form) {
        boolean twoArrangements = form.minimum && form.scaleBytes == 4;
        OldBlocks together = new OldBlocks(info, bytes, form, false);
        OldBlocks apart = new OldBlocks(info, bytes, form, true);
        return twoArrangements && apart.strange() < together.strange() ? apart : together;
    }

    /** Scales that no quantization makes, among the first blocks: it makes finite ones that are not negative. */
    private int strange() {
        int strange = 0;
        int perRow = blocksPerRow();
        long blocks = Math.min(SAMPLED_BLOCKS, perRow * info.shape().rows());
        for (int block = 0; block < blocks; block++) {
            long row = (long) (block / perRow) * perRow * form.bytes();
            float scale = scale(bytes.segment(), row, block % perRow);
            float minimum = minimum(bytes.segment(), row, block % perRow);
            strange += scale >= 0 && Float.isFinite(scale) && Float.isFinite(minimum) ? 0 : 1;
        }
        return strange;
    }

    private int blocksPerRow() {
        return Math.toIntExact(info.shape().rowLength() / form.length);
    }

    private float scale(MemorySegment source, long row, int block) {
        return number(source, apart ? row + 4L * (blocksPerRow() + block) : row + (long) block * form.bytes());
    }

    private float minimum(MemorySegment source, long row, int block) {
        if (!form.minimum) {
            return 0;
        }
        return number(source, apart ? row + 4L * block : row + (long) block * form.bytes() + form.scaleBytes);
    }

    private float number(MemorySegment source, long at) {
        return form.scaleBytes == 4 ? source.get(Region.FLOAT, at) : Float.float16ToFloat(source.get(Region.SHORT, at));
    }

    /** Where what follows scale and minimum lies. */
    private long codesAt(long row, int block) {
        return apart
                ? row + 8L * blocksPerRow() + (long) block * (form.bytes() - form.headBytes())
                : row + (long) block * form.bytes() + form.headBytes();
    }

    /** The codes of one block, in order. */
    private void codes(MemorySegment source, long at, int[] out) {
        if (form.bits == 8) {
            for (int i = 0; i < form.length; i++) {
                out[i] = source.get(ValueLayout.JAVA_BYTE, at + i);
            }
            return;
        }
        int fifth = form.bits == 5 ? source.get(Region.INT, at) : 0;
        long nibbles = form.bits == 5 ? at + 4 : at;
        int half = form.length / 2;
        for (int i = 0; i < half; i++) {
            int both = source.get(ValueLayout.JAVA_BYTE, nibbles + i);
            int low = form.pairs ? 2 * i : i;
            int high = form.pairs ? 2 * i + 1 : i + half;
            out[low] = both & 15 | (fifth >> low & 1) << 4;
            out[high] = both >> 4 & 15 | (fifth >> high & 1) << 4;
        }
    }

    @Override
    public void decode(MemorySegment source, long firstByte, int count, float[] out, int at) {
        int perRow = blocksPerRow();
        int[] codes = new int[form.length];
        for (int block = 0; block < count / form.length; block++) {
            long row = firstByte + (long) (block / perRow) * perRow * form.bytes();
            float scale = scale(source, row, block % perRow);
            float minimum = minimum(source, row, block % perRow);
            codes(source, codesAt(row, block % perRow), codes);
            for (int i = 0; i < form.length; i++) {
                float product = (codes[i] + form.offset()) * scale;
                out[at + block * form.length + i] = form.minimum ? product + minimum : product;
            }
        }
    }

    @Override
    public void repack(MemorySegment source, long firstByte, int rows, byte[] out) {
        int perRow = blocksPerRow();
        int[] codes = new int[form.length];
        MemorySegment target = MemorySegment.ofArray(out);
        Arrays.fill(out, 0, rows * perRow * form.ggufBytes(), (byte) 0);
        for (int block = 0; block < rows * perRow; block++) {
            long row = firstByte + (long) (block / perRow) * perRow * form.bytes();
            int to = block * form.ggufBytes();
            target.set(Region.SHORT, to, half(scale(source, row, block % perRow)));
            to += 2;
            if (form.minimum) {
                target.set(Region.SHORT, to, half(minimum(source, row, block % perRow)));
                to += 2;
            }
            codes(source, codesAt(row, block % perRow), codes);
            put(codes, target, to);
        }
    }

    private void put(int[] codes, MemorySegment target, int at) {
        if (form.bits == 8) {
            for (int i = 0; i < form.length; i++) {
                target.set(ValueLayout.JAVA_BYTE, at + i, (byte) codes[i]);
            }
            return;
        }
        int nibbles = at;
        if (form.bits == 5) {
            int fifth = 0;
            for (int i = 0; i < form.length; i++) {
                fifth |= codes[i] >> 4 << i;
            }
            target.set(Region.INT, at, fifth);
            nibbles += 4;
        }
        int half = form.length / 2;
        for (int i = 0; i < half; i++) {
            target.set(ValueLayout.JAVA_BYTE, nibbles + i, (byte) (codes[i] & 15 | (codes[i + half] & 15) << 4));
        }
    }

    private short half(float value) {
        short half = Float.floatToFloat16(value);
        if (!Float.isFinite(Float.float16ToFloat(half))) {
            throw InputException.of(
                            bytes.file().path(),
                            "tensor " + Quoted.of(info.name()),
                            "has the scale " + value + ", which GGUF's " + form.type + " cannot hold")
                    .withHint("convert it to F32: -t F32");
        }
        return half;
    }
}
