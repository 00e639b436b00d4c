package dev.quern.checkpoint.packed;

import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import java.util.List;
import java.util.Optional;

/**
 * Weights of 8-bit floats or integers that keep their shape, and their scales beside them: FP8 per tensor, per row and
 * in blocks (DeepSeek), 8-bit integers with or without zero points. W = (code − zero) · scale, one rounding to float.
 */
final class ScaledWeights {
    /** Names of the scales after a module's name; all of them multiply, "inv" or not. */
    private static final List<String> SCALES = List.of(".weight_scale_inv", ".weight_scale");

    private ScaledWeights() {}

    /** {@code quant_method} fp8 and fbgemm_fp8, where every F8 weight has its scales beside it. */
    static String unpack(QuantizationConfig config, Parts parts) {
        List<Long> block = block(config, "weight_block_size");
        for (String scale : SCALES) {
            for (String module : parts.stems(scale)) {
                Part codes = parts.part(module + ".weight").expect(DType.F8_E4M3, DType.F8_E5M2);
                add(codes, parts.part(module + scale), Optional.empty(), block, parts);
            }
        }
        parts.dropEnding(".activation_scale", "_activation_scale", ".input_scale", ".input_scale_ub");
        return "FP8" + (block.isEmpty() ? "" : " (blocks of " + block.get(0) + "x" + block.get(1) + ")");
    }

    /** A pair of sizes, or an empty list. */
    static List<Long> block(QuantizationConfig config, String key) {
        List<Long> block = config.integers(key);
        if (!block.isEmpty() && (block.size() != 2 || block.stream().anyMatch(size -> size < 1 || size > 1 << 20))) {
            throw config.refused(key, "expected two block sizes, found " + block);
        }
        return block;
    }

    /** @param zeros shaped as the scales, or none */
    static void add(Part codes, Part scales, Optional<Part> zeros, List<Long> block, Parts parts) {
        Shape shape = codes.shape();
        ScaleGrid grid = ScaleGrid.of(scales.expectFloat(), shape, block);
        Optional<ScaleGrid> zeroGrid = zeros.map(part -> {
            part.expect(DType.I8, DType.U8, DType.I32, DType.F32, DType.F16, DType.BF16);
            part.expectElements(scales.elements());
            return new ScaleGrid(part, grid.rowBlock(), grid.columnBlock(), grid.columns());
        });
        parts.add(codes.name(), shape, codes, (first, count, out, at) -> {
            int width = Math.toIntExact(shape.rowLength());
            codes.floats(first * width, count * width, out, at);
            float[] scale = new float[grid.columns()];
            float[] zero = new float[grid.columns()];
            for (int row = 0; row < count; row++) {
                grid.row(first + row, scale);
                if (zeroGrid.isPresent()) {
                    zeroGrid.get().row(first + row, zero);
                }
                scaleRow(out, at + row * width, width, grid.columnBlock(), scale, zero);
            }
        });
    }

    /** {@code out[i] = (out[i] - zero) * scale}, with a scale and a zero for every {@code block} values. */
    static void scaleRow(float[] out, int at, int width, int block, float[] scale, float[] zero) {
        for (int begin = 0, b = 0; begin < width; begin += block, b++) {
            int end = Math.min(width, begin + block);
            for (int i = begin; i < end; i++) {
                out[at + i] = (out[at + i] - zero[b]) * scale[b];
            }
        }
    }
}
