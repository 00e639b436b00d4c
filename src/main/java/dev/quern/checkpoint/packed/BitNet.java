package dev.quern.checkpoint.packed;

import dev.quern.io.Quoted;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * BitNet b1.58 as transformers packs it: {@code weight} U8 [out/4, in], where bits 2k and 2k + 1 of row r are output
 * r + k·out/4, plus 1; {@code weight_scale} one float. It divides in a "bitlinear" model and multiplies in an
 * "autobitlinear" one (transformers 5.18, integrations/bitnet.py).
 */
final class BitNet {
    private BitNet() {}

    static String unpack(QuantizationConfig config, Parts parts) {
        String linear = config.text("linear_class").orElse("bitlinear");
        if (!linear.equals("bitlinear") && !linear.equals("autobitlinear")) {
            throw config.unread("linear_class", linear, "bitlinear, autobitlinear");
        }
        if (config.text("quantization_mode").orElse("offline").equals("online")) {
            throw config.refused(
                            "quantization_mode",
                            "is " + Quoted.of("online")
                                    + ": the weights are rounded to three values when the model runs, which GGUF"
                                    + " cannot say")
                    .withHint("get the packed (offline) checkpoint of this model");
        }
        boolean divides = linear.equals("bitlinear");
        for (String module : parts.stems(".weight_scale")) {
            Part codes = parts.part(module + ".weight").expect(DType.U8).expectMatrix();
            float scale = parts.part(module + ".weight_scale").expectFloat().only();
            add(codes, divides ? -1 / scale : -scale, divides ? 1 / scale : scale, divides, scale, parts);
        }
        return "BitNet (ternary)";
    }

    private static void add(Part codes, float minus, float plus, boolean divides, float scale, Parts parts) {
        if (!Float.isFinite(minus) || !Float.isFinite(plus)) {
            throw codes.refused(
                    "its weight_scale is " + scale + ", which does not " + (divides ? "divide" : "multiply"));
        }
        long quarter = codes.shape().dim(0);
        int width = (int) codes.shape().dim(1);
        // The fourth code is not used; by the formula it stands for 2.
        float[] values = {minus, 0, plus, divides ? 2 / scale : 2 * scale};
        parts.add(codes.name(), Shape.of(4 * quarter, width), codes, (first, count, out, at) -> {
            MemorySegment bytes = codes.segment();
            for (int row = 0; row < count; row++) {
                long line = (first + row) % quarter * width;
                int shift = (int) ((first + row) / quarter) * 2;
                int begin = at + row * width;
                for (int i = 0; i < width; i++) {
                    out[begin + i] = values[bytes.get(ValueLayout.JAVA_BYTE, line + i) >> shift & 3];
                }
            }
        });
    }
}
