package dev.quern.checkpoint.packed;

import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;

/**
 * AWQ in the layout of AutoAWQ's "gemm" version, 4 bits. A Linear is {@code qweight} I32 [in, out/8], {@code qzeros} I32
 * [groups, out/8] and {@code scales} float [groups, out]; the eight outputs of a word lie in its nibbles, from the
 * lowest on, in the order 0, 2, 4, 6, 1, 3, 5, 7. W[o, i] = (code − zero) · scale, one rounding to float.
 */
final class Awq {
    /** The nibble that holds an output, by the output's place among the eight of a word. */
    private static final int[] NIBBLE = {0, 4, 1, 5, 2, 6, 3, 7};

    private Awq() {}

    static String unpack(QuantizationConfig config, Parts parts) {
        String version = config.text("version").orElse("gemm");
        if (config.method().equals("awq") && !version.toLowerCase(Locale.ROOT).equals("gemm")) {
            throw config.unread("version", version, "gemm");
        }
        config.bits(List.of(4), "bits", "w_bit");
        long groupSize = config.groupSize("group_size", "q_group_size");
        for (String module : parts.stems(".qweight")) {
            add(module, groupSize, parts);
        }
        return "AWQ (4-bit)";
    }

    private static void add(String module, long groupSize, Parts parts) {
        Part codes = parts.part(module + ".qweight").expect(DType.I32).expectMatrix();
        int inputs = (int) codes.shape().dim(0);
        int outputs = 8 * (int) codes.shape().dim(1);
        int size = (int) (groupSize < 0 ? inputs : groupSize);
        long groups = Math.ceilDiv(inputs, size);
        Part zeros = parts.part(module + ".qzeros").expect(DType.I32).expectShape(groups, outputs / 8);
        Part scales = parts.part(module + ".scales").expectFloat().expectShape(groups, outputs);
        Columns columns = new Columns(codes, zeros, scales, inputs, outputs, size);
        parts.add(module + ".weight", Shape.of(outputs, inputs), codes, columns::readRows);
    }

    private record Columns(Part codes, Part zeros, Part scales, int inputs, int outputs, int groupSize) {
        void readRows(long first, int count, float[] out, int at) {
            MemorySegment words = codes.segment();
            MemorySegment zeroWords = zeros.segment();
            float[] scale = new float[count];
            int[] zero = new int[count];
            for (int i = 0; i < inputs; i++) {
                if (i % groupSize == 0) {
                    long group = i / groupSize;
                    scales.floats(group * outputs + first, count, scale, 0);
                    for (int row = 0; row < count; row++) {
                        zero[row] = code(zeroWords, group, first + row);
                    }
                }
                for (int row = 0; row < count; row++) {
                    out[at + row * inputs + i] = (code(words, i, first + row) - zero[row]) * scale[row];
                }
            }
        }

        private int code(MemorySegment words, long line, long output) {
            return Part.word(words, line * (outputs / 8) + (output >> 3)) >>> 4 * NIBBLE[(int) (output & 7)] & 15;
        }
    }
}
