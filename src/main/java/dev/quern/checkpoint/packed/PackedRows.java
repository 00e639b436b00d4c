package dev.quern.checkpoint.packed;

import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * compressed-tensors' pack-quantized: {@code weight_packed} I32 [out, words] holds the codes of each row,
 * {@code weight_scale} [out, groups] (or [out, 1], or [1]), {@code weight_zero_point} I32 zero points packed down the
 * columns, {@code weight_shape} the logical shape, {@code weight_g_idx} each column's group. Codes are unsigned, that is
 * 2^(bits − 1) more than the integers they stand for, and so are zero points: W = (code − zero) · scale.
 *
 * <p>Where the bits do not divide 32, the library packed 32 / bits codes into a word up to version 0.13 and a dense bit
 * stream since; how wide the packed tensor is tells which.
 */
final class PackedRows {
    private PackedRows() {}

    static void add(String weight, CompressedTensors.Group group, Parts parts) {
        Part codes = parts.part(weight + "_packed").expect(DType.I32).expectMatrix();
        Part shapePart =
                parts.part(weight + "_shape").expect(DType.I64, DType.I32).expectElements(2);
        int bits = group.bits();
        long rows = shapePart.integer(0);
        long width = shapePart.integer(1);
        if (rows != codes.shape().dim(0) || width < 1 || width > Integer.MAX_VALUE / 2) {
            throw shapePart.refused("says [" + rows + ", " + width + "], the packed weight has "
                    + codes.shape().dim(0) + " rows");
        }
        boolean dense = codes.shape().dim(1) == words(width, bits, true);
        if (!dense) {
            codes.expectShape(rows, words(width, bits, false));
        }
        Part scales = parts.part(weight + "_scale").expectFloat();
        int groups = groups(scales, rows, width, group);
        Optional<Part> zeros = parts.find(weight + "_zero_point");
        zeros.ifPresent(part -> part.expect(DType.I32).expectShape(words(rows, bits, dense), groups));
        int size = (int) (group.groupSize() > 0 ? group.groupSize() : width);
        Part order = parts.find(weight + "_g_idx").orElse(null);
        int @Nullable [] groupOf = order == null ? null : groupOf(order, (int) width, groups, size);
        Reader reader = new Reader(codes, scales, zeros.orElse(null), groupOf, bits, (int) width, groups, size, dense);
        parts.add(weight, Shape.of(rows, width), codes, reader::readRows);
    }

    private static long words(long codes, int bits, boolean dense) {
        return dense ? Math.ceilDiv(codes * bits, 32L) : Math.ceilDiv(codes, 32L / bits);
    }

    private static int groups(Part scales, long rows, long width, CompressedTensors.Group group) {
        if (group.groupSize() > 0) {
            long groups = Math.ceilDiv(width, group.groupSize());
            scales.expectShape(rows, groups);
            return (int) groups;
        }
        if (scales.elements() == 1) {
            return 1;
        }
        if (scales.shape().rank() == 1) {
            scales.expectShape(rows);
        } else {
            scales.expectShape(rows, 1);
        }
        return 1;
    }

    /** Each column's group, or null when they are in order; the library fills a tensor that it does not use with -1. */
    private static int @Nullable [] groupOf(Part part, int width, int groups, int size) {
        part.expect(DType.I32, DType.I64).expectElements(width);
        boolean unused = IntStream.range(0, width).allMatch(i -> part.integer(i) == -1);
        return unused ? null : part.groups(width, groups, size);
    }

    private record Reader(
            Part codes,
            Part scales,
            @Nullable Part zeros,
            int @Nullable [] groupOf,
            int bits,
            int width,
            int groups,
            int groupSize,
            boolean dense) {

        void readRows(long first, int count, float[] out, int at) {
            MemorySegment words = codes.segment();
            long line = codes.shape().dim(1);
            float[] scale = new float[groups];
            float[] zero = new float[groups];
            for (int row = 0; row < count; row++) {
                int begin = at + row * width;
                readCodes(words, (first + row) * line, out, begin);
                scales.floats(scales.elements() == 1 ? 0 : (first + row) * groups, groups, scale, 0);
                readZeros(first + row, zero);
                if (groupOf == null) {
                    ScaledWeights.scaleRow(out, begin, width, groupSize, scale, zero);
                } else {
                    for (int i = 0; i < width; i++) {
                        out[begin + i] = (out[begin + i] - zero[groupOf[i]]) * scale[groupOf[i]];
                    }
                }
            }
        }

        private void readCodes(MemorySegment words, long line, float[] out, int at) {
            for (int i = 0; i < width; i++) {
                out[at + i] = BitStream.code(words, line, bit(i), bits);
            }
        }

        private void readZeros(long row, float[] zero) {
            if (zeros == null) {
                Arrays.fill(zero, 1 << bits - 1);
                return;
            }
            MemorySegment words = zeros.segment();
            long bit = bit(row);
            for (int group = 0; group < groups; group++) {
                // Down a column, so the next word of the stream is a whole row of words further on.
                long word = (bit >> 5) * groups + group;
                int shift = (int) (bit & 31);
                int code = Part.word(words, word) >>> shift;
                if (shift + bits > 32) {
                    code |= Part.word(words, word + groups) << 32 - shift;
                }
                zero[group] = code & (1 << bits) - 1;
            }
        }

        private long bit(long index) {
            int perWord = 32 / bits;
            return dense ? index * bits : index / perWord * 32 + index % perWord * bits;
        }
    }
}
