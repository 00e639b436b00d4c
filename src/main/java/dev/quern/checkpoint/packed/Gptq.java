package dev.quern.checkpoint.packed;

import dev.quern.checkpoint.ModulePattern;
import dev.quern.io.Quoted;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * GPTQ as AutoGPTQ and GPTQModel write it. A Linear of {@code in} inputs and {@code out} outputs is
 *
 * <ul>
 *   <li>{@code qweight} I32 [in·bits/32, out]: codes of the inputs as one little-endian bit stream down each column
 *   <li>{@code qzeros} I32 [groups, out·bits/32]: zero points, a bit stream along each row
 *   <li>{@code scales} float [groups, out]
 *   <li>{@code g_idx} I32 [in]: each input's group; without it input i is of group i / group_size
 * </ul>
 *
 * Its weight is [out, in], W[o, i] = scales[g, o] · (code − zero), one rounding to float. Files of checkpoint_format
 * "gptq" hold zero − 1 modulo 2^bits, those of "gptq_v2" the zero itself.
 */
final class Gptq {
    private static final List<Integer> BITS = List.of(2, 3, 4, 8);

    /** Codes that begin and end at a word's edge, whatever their bits. */
    private static final int RUN = 32;

    private Gptq() {}

    /** How one module is packed. */
    private record Format(int bits, long groupSize, int zeroOffset) {}

    /** GPTQModel's per-module exceptions: "-:" leaves a module plain, everything else changes its format. */
    private record Deviation(ModulePattern pattern, boolean plain, JsonNode fields) {}

    static String unpack(QuantizationConfig config, Parts parts) {
        String layout = config.text("checkpoint_format").orElse("gptq");
        if (config.bool("is_marlin_format").orElse(false)) {
            layout = "marlin";
        }
        if (!Set.of("gptq", "gptq_v2").contains(layout)) {
            throw config.unread("checkpoint_format", layout, "gptq, gptq_v2");
        }
        int bits = config.bits(BITS, "bits", "w_bit");
        Format format = new Format(bits, config.groupSize("group_size"), layout.equals("gptq") ? 1 : 0);
        List<Deviation> exceptions = exceptions(config);
        for (String module : parts.stems(".qweight")) {
            add(module, formatOf(module, format, exceptions, config), parts);
        }
        return "GPTQ (" + bits + "-bit" + (layout.equals("gptq_v2") ? ", v2" : "") + ")";
    }

    private static List<Deviation> exceptions(QuantizationConfig config) {
        List<Deviation> exceptions = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : config.entries("dynamic")) {
            String key = entry.getKey();
            boolean plain = key.startsWith("-:");
            String regex = plain || key.startsWith("+:") ? key.substring(2) : key;
            exceptions.add(new Deviation(ModulePattern.of(config.config().file(), regex), plain, entry.getValue()));
        }
        return exceptions;
    }

    private static Format formatOf(
            String module, Format common, List<Deviation> exceptions, QuantizationConfig config) {
        for (Deviation exception : exceptions) {
            if (exception.pattern().matches(module)) {
                if (exception.plain()) {
                    throw config.refused("dynamic", "says that " + Quoted.of(module) + " is not packed, and it is");
                }
                OptionalLong bits = integer(exception.fields().path("bits"));
                OptionalLong group = integer(exception.fields().path("group_size"));
                return new Format(
                        bits.isPresent() ? config.bits("dynamic", bits.getAsLong(), BITS) : common.bits(),
                        group.isPresent() ? config.checkedGroup("dynamic", group.getAsLong()) : common.groupSize(),
                        common.zeroOffset());
            }
        }
        return common;
    }

    private static OptionalLong integer(JsonNode node) {
        return node.isIntegralNumber() && node.canConvertToLong()
                ? OptionalLong.of(node.longValue())
                : OptionalLong.empty();
    }

    private static void add(String module, Format format, Parts parts) {
        Part codes = parts.part(module + ".qweight").expect(DType.I32).expectMatrix();
        int bits = format.bits();
        if (codes.shape().dim(0) % bits != 0) {
            throw codes.refused("its " + codes.shape().dim(0) + " rows are not whole runs of " + RUN + " codes of "
                    + bits + " bits");
        }
        int inputs = (int) codes.shape().dim(0) / bits * RUN;
        int outputs = (int) codes.shape().dim(1);
        if ((long) outputs * bits % RUN != 0) {
            throw codes.refused(outputs + " outputs do not fill whole words with zero points of " + bits + " bits");
        }
        long size = format.groupSize() < 0 ? inputs : format.groupSize();
        long groups = Math.ceilDiv(inputs, size);
        Part zeros = parts.part(module + ".qzeros").expect(DType.I32).expectShape(groups, (long) outputs * bits / RUN);
        Part scales = parts.part(module + ".scales").expectFloat().expectShape(groups, outputs);
        Part order = parts.find(module + ".g_idx").orElse(null);
        int @Nullable [] groupOf = order == null ? null : order.groups(inputs, (int) groups, size);
        Columns columns = new Columns(codes, zeros, scales, bits, inputs, outputs, groupOf, size, format.zeroOffset());
        parts.add(module + ".weight", Shape.of(outputs, inputs), codes, columns::readRows);
    }

    /** The rows of one weight: columns of the packed tensors. */
    private record Columns(
            Part codes,
            Part zeros,
            Part scales,
            int bits,
            int inputs,
            int outputs,
            int @Nullable [] groupOf,
            long groupSize,
            int zeroOffset) {

        void readRows(long first, int count, float[] out, int at) {
            readCodes(codes.segment(), first, count, out, at);
            int groups = Math.toIntExact(scales.shape().dim(0));
            float[] scale = new float[groups * count];
            float[] zero = new float[groups * count];
            MemorySegment packed = zeros.segment();
            long words = zeros.shape().dim(1);
            for (int group = 0; group < groups; group++) {
                scales.floats((long) group * outputs + first, count, scale, group * count);
                for (int row = 0; row < count; row++) {
                    int stored = BitStream.code(packed, group * words, (first + row) * bits, bits);
                    zero[group * count + row] = stored + zeroOffset & (1 << bits) - 1;
                }
            }
            for (int row = 0; row < count; row++) {
                int begin = at + row * inputs;
                for (int i = 0; i < inputs; i++) {
                    int group = (groupOf == null ? (int) (i / groupSize) : groupOf[i]) * count + row;
                    out[begin + i] = scale[group] * (out[begin + i] - zero[group]);
                }
            }
        }

        /** Word by word across all rows of the tile, because that is how they lie. */
        private void readCodes(MemorySegment words, long first, int count, float[] out, int at) {
            int[] run = new int[bits + 1];
            for (int begin = 0; begin < inputs; begin += RUN) {
                long line = (long) (begin / RUN) * bits;
                for (int row = 0; row < count; row++) {
                    for (int word = 0; word < bits; word++) {
                        run[word] = Part.word(words, (line + word) * outputs + first + row);
                    }
                    BitStream.decode(run, bits, out, at + row * inputs + begin);
                }
            }
        }
    }
}
