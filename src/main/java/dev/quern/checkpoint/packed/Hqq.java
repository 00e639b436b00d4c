package dev.quern.checkpoint.packed;

import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;

/**
 * HQQ as transformers saves it: {@code W_q}, {@code scale}, {@code zero}, and the facts about them as tensors of their
 * own ({@code shape}, {@code nbits}, {@code group_size}, {@code axis}, {@code packing}). The matrix is laid out anew as
 * [groups, group_size] (axis 1) or [group_size, groups] (axis 0), element by element; then its rows are packed: with n
 * codes to a word and s words down a column, code k of word r, from the highest on, is row r + k·s.
 * W = (code − zero) · scale, one rounding to float.
 */
final class Hqq {
    private Hqq() {}

    /** A packing: bits of a code, and the bytes of a word. */
    private record Packing(String name, int bits, int wordBytes) {
        int perWord() {
            // 3 bits: ten codes in 30 of 32 bits.
            return wordBytes * 8 / bits;
        }
    }

    private static final List<Packing> PACKINGS = List.of(
            new Packing("8bit_u8", 8, 1),
            new Packing("4bit_u8", 4, 1),
            new Packing("3bit_32", 3, 4),
            new Packing("2bit_u8", 2, 1),
            new Packing("1bit_u8", 1, 1));

    static String unpack(QuantizationConfig config, Parts parts) {
        for (String module : parts.stems(".W_q")) {
            add(module, parts);
        }
        for (String fact : List.of(
                "offload_meta",
                "stores_quant_config",
                "channel_wise",
                "optimize",
                "round_zero",
                "quant_scale",
                "quant_zero",
                "compute_dtype",
                "unpack_view_dtype",
                "view_as_float",
                "nbits",
                "group_size",
                "axis",
                "packing",
                "shape")) {
            for (String module : parts.stems(".W_q")) {
                parts.drop(module + "." + fact);
            }
        }
        return "HQQ ("
                + config.integer("quant_config.weight_quant_params.nbits").stream()
                        .mapToObj(bits -> bits + "-bit")
                        .findFirst()
                        .orElse("mixed")
                + ")";
    }

    private static void add(String module, Parts parts) {
        for (String nested : List.of(".quant_scale", ".quant_zero")) {
            if (parts.find(module + nested).map(part -> part.only() != 0).orElse(false)) {
                throw parts.refused(module + nested, "scales and zero points are packed themselves, which is not read")
                        .withHint("quantize with quant_scale and quant_zero false, or get the checkpoint before it was"
                                + " quantized");
            }
        }
        Part shapePart =
                parts.part(module + ".shape").expect(DType.I64, DType.I32).expectElements(2);
        long rows = shapePart.integer(0);
        long columns = shapePart.integer(1);
        if (rows < 1 || columns < 1 || rows > Integer.MAX_VALUE || columns > Integer.MAX_VALUE / 2) {
            throw shapePart.refused("expected the shape of a matrix, found [" + rows + ", " + columns + "]");
        }
        long elements = rows * columns;
        Packing packing = packing(module, parts);
        long axis = fact(module, "axis", parts, 1);
        long groupSize = fact(module, "group_size", parts, columns);
        if (axis != 0 && axis != 1) {
            throw parts.refused(module + ".axis", "expected 0 or 1, found " + axis);
        }
        if (groupSize < 1 || elements % groupSize != 0) {
            throw parts.refused(module + ".group_size", groupSize + " does not divide the " + elements + " weights");
        }
        long groups = elements / groupSize;
        long height = axis == 1 ? groups : groupSize;
        long width = axis == 1 ? groupSize : groups;
        long step = Math.ceilDiv(height, packing.perWord());
        Part codes = parts.part(module + ".W_q");
        long bytes = step * width * packing.wordBytes();
        // With view_as_float the words are called floats; their bytes are the same.
        if (codes.region().length() != bytes) {
            throw codes.refused("expected " + bytes + " bytes for " + elements + " weights in the packing "
                    + packing.name() + ", found " + codes.dtype() + " " + codes.shape());
        }
        Part scales = parts.part(module + ".scale").expectFloat().expectElements(groups);
        Part zeros = parts.part(module + ".zero").expectFloat().expectElements(groups);
        Reader reader = new Reader(codes, scales, zeros, packing, axis == 1, width, step, (int) columns);
        parts.add(module + ".weight", Shape.of(rows, columns), codes, reader::readRows);
    }

    private static Packing packing(String module, Parts parts) {
        Optional<Part> named = parts.find(module + ".packing");
        long bits = fact(module, "nbits", parts, -1);
        String name = named.map(part -> text(part.expect(DType.U8))).orElse("");
        return PACKINGS.stream()
                .filter(packing -> named.isPresent() ? packing.name().equals(name) : packing.bits() == bits)
                .findFirst()
                .orElseThrow(() -> parts.refused(
                        module + ".packing",
                        "the packing " + dev.quern.io.Quoted.of(name.isEmpty() ? bits + " bits" : name)
                                + " is not read; known: "
                                + String.join(
                                        ", ",
                                        PACKINGS.stream().map(Packing::name).toList())));
    }

    private static String text(Part part) {
        if (part.elements() > 64) {
            throw part.refused("expected a name, found " + part.elements() + " characters");
        }
        StringBuilder text = new StringBuilder();
        for (float c : part.floats()) {
            text.append((char) c);
        }
        return text.toString();
    }

    private static long fact(String module, String name, Parts parts, long fallback) {
        return parts.find(module + "." + name)
                .map(part -> (long) part.expect(DType.I64, DType.I32, DType.U8).only())
                .orElse(fallback);
    }

    private record Reader(
            Part codes, Part scales, Part zeros, Packing packing, boolean byRows, long width, long step, int columns) {

        void readRows(long first, int count, float[] out, int at) {
            MemorySegment words = codes.segment();
            long begin = first * columns;
            long end = begin + (long) count * columns;
            int to = at;
            float[] scale = new float[(int) Math.min(width, end - begin)];
            float[] zero = new float[scale.length];
            for (long element = begin; element < end; ) {
                long row = element / width;
                long column = element % width;
                int run = (int) Math.min(width - column, end - element);
                if (byRows) {
                    scales.floats(row, 1, scale, 0);
                    zeros.floats(row, 1, zero, 0);
                } else {
                    scales.floats(column, run, scale, 0);
                    zeros.floats(column, run, zero, 0);
                }
                int shift = (packing.perWord() - 1 - (int) (row / step)) * packing.bits();
                long word = row % step * width + column;
                for (int i = 0; i < run; i++) {
                    int code = word(words, word + i) >>> shift & (1 << packing.bits()) - 1;
                    int group = byRows ? 0 : i;
                    out[to++] = (code - zero[group]) * scale[group];
                }
                element += run;
            }
        }

        private int word(MemorySegment words, long index) {
            return packing.wordBytes() == 1 ? words.get(ValueLayout.JAVA_BYTE, index) & 0xff : Part.word(words, index);
        }
    }
}
