package dev.quern.checkpoint.packed;

import dev.quern.quantization.QuantType;
import dev.quern.tensor.DType;
import dev.quern.tensor.NativeBlocks;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.Unpacked;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.DoubleUnaryOperator;

/**
 * 4-bit floats (E2M1), two to a byte, the first in the low half, with a scale for every 16 (NVFP4: E4M3, and one float
 * for the whole matrix) or 32 of them (MXFP4: a power of two, E8M0). A value is code · scale, the scale first multiplied
 * by (or divided by) the matrix's float: two roundings, as the producers' own formulas have them.
 *
 * <p>Both are GGUF types too, in another order of the halves: MXFP4 puts value i of 32 beside value i + 16, NVFP4 value i
 * of 16 beside value i + 8, and four scales before 64 values. GGUF keeps the matrix's float in a tensor of its own.
 */
final class FloatPairs {
    private static final float[] VALUES = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

    private FloatPairs() {}

    /** ModelOpt's NVFP4: {@code weight}, {@code weight_scale}, and {@code weight_scale_2}, which multiplies. */
    static void addModelOptNvfp4(String weight, Parts parts) {
        Part codes = parts.part(weight).expect(DType.U8).expectMatrix();
        Part scales = parts.part(weight + "_scale").expect(DType.F8_E4M3);
        Optional<Part> matrix =
                parts.find(weight + "_scale_2").map(part -> part.expectFloat().expectElements(1));
        float factor = matrix.map(Part::only).orElse(1f);
        String module = weight.substring(0, weight.length() - ".weight".length());
        SequencedMap<String, Float> factors = new LinkedHashMap<>();
        put(factors, "scale", factor);
        parts.find(module + ".input_scale")
                .ifPresent(
                        part -> put(factors, "input_scale", part.expectFloat().only()));
        add(weight, shape(codes, scales, 16), codes, scales, 16, scale -> (float) scale * factor, factors, parts);
    }

    /** compressed-tensors' NVFP4: {@code weight_packed}, {@code weight_scale}, {@code weight_global_scale}: a divisor. */
    static void addCompressedNvfp4(String weight, Parts parts) {
        Part codes = parts.part(weight + "_packed").expect(DType.U8).expectMatrix();
        Part scales = parts.part(weight + "_scale").expect(DType.F8_E4M3);
        Part global = parts.part(weight + "_global_scale").expectFloat().expectElements(1);
        float divisor = global.only();
        if (!(divisor > 0) || Float.isInfinite(divisor)) {
            throw global.refused("expected a positive number, found " + divisor);
        }
        String module = weight.substring(0, weight.length() - ".weight".length());
        SequencedMap<String, Float> factors = new LinkedHashMap<>();
        put(factors, "scale", 1 / divisor);
        parts.find(module + ".input_global_scale")
                .ifPresent(part ->
                        put(factors, "input_scale", 1 / part.expectFloat().only()));
        add(weight, shape(codes, scales, 16), codes, scales, 16, scale -> (float) scale / divisor, factors, parts);
    }

    /** compressed-tensors' MXFP4: {@code weight_packed} and {@code weight_scale}, exponents as bytes. */
    static void addCompressedMxfp4(String weight, Parts parts) {
        Part codes = parts.part(weight + "_packed").expect(DType.U8).expectMatrix();
        Part scales = exponents(parts.part(weight + "_scale"));
        add(weight, shape(codes, scales, 32), codes, scales, 32, scale -> scale, new LinkedHashMap<>(), parts);
    }

    /** Bytes that are exponents, whatever the file calls them. */
    static Part exponents(Part scales) {
        scales.expect(DType.U8, DType.F8_E8M0);
        return new Part(new TensorInfo(scales.name(), DType.F8_E8M0, scales.shape()), scales.region());
    }

    /** GGUF readers take a missing factor for 1. */
    private static void put(SequencedMap<String, Float> factors, String name, float value) {
        // So written that NaN, which would spoil the matrix, is not taken for 1.
        if (!(Math.abs(value - 1) < 1e-6)) {
            factors.put(name, value);
        }
    }

    /** The matrix's own shape, once its scales are known to be as many as it needs. */
    private static Shape shape(Part codes, Part scales, int group) {
        long rows = codes.shape().dim(0);
        long width = 2 * codes.shape().dim(1);
        scales.expectShape(rows, Math.ceilDiv(width, group));
        return Shape.of(rows, width);
    }

    /** @param shape the logical one; codes and scales lie row after row */
    static void add(
            String weight,
            Shape shape,
            Part codes,
            Part scales,
            int group,
            DoubleUnaryOperator scaled,
            SequencedMap<String, Float> factors,
            Parts parts) {
        int width = codes.width(shape);
        int groups = Math.ceilDiv(width, group);
        Optional<NativeBlocks> blocks = Optional.empty();
        if (group == 32 && width % QuantType.MXFP4.blockLength() == 0) {
            Mxfp4Blocks reader = new Mxfp4Blocks(codes, scales, groups);
            blocks = Optional.of(blocks(QuantType.MXFP4, width, reader::readRows, factors));
        } else if (group == 16 && width % QuantType.NVFP4.blockLength() == 0) {
            Nvfp4Blocks reader = new Nvfp4Blocks(codes, scales, groups);
            blocks = Optional.of(blocks(QuantType.NVFP4, width, reader::readRows, factors));
        }
        parts.add(new Unpacked(
                new TensorInfo(weight, DType.F32, shape),
                codes.region(),
                (first, count, out, at) -> {
                    MemorySegment bytes = codes.segment();
                    float[] scale = new float[groups];
                    for (int row = 0; row < count; row++) {
                        scales.floats((first + row) * groups, groups, scale, 0);
                        for (int i = 0; i < groups; i++) {
                            scale[i] = (float) scaled.applyAsDouble(scale[i]);
                        }
                        decodeRow(bytes, (first + row) * (width / 2), width, group, scale, out, at + row * width);
                    }
                },
                blocks));
    }

    private static NativeBlocks blocks(
            QuantType type, int width, NativeBlocks.BlockReader reader, SequencedMap<String, Float> factors) {
        return new NativeBlocks(type.name(), type.bytesFor(width), reader, factors);
    }

    private static void decodeRow(
            MemorySegment bytes, long from, int width, int group, float[] scale, float[] out, int at) {
        for (int i = 0; i < width; i += 2) {
            int pair = bytes.get(ValueLayout.JAVA_BYTE, from + i / 2);
            out[at + i] = VALUES[pair & 15] * scale[i / group];
            out[at + i + 1] = VALUES[pair >> 4 & 15] * scale[(i + 1) / group];
        }
    }

    /** Half of a byte: value {@code i} of those that begin at byte {@code from}. */
    private static int code(MemorySegment bytes, long from, int i) {
        int pair = bytes.get(ValueLayout.JAVA_BYTE, from + (i >> 1));
        return (i & 1) == 0 ? pair & 15 : pair >> 4 & 15;
    }

    private record Mxfp4Blocks(Part codes, Part scales, int groups) {
        void readRows(long first, int count, byte[] out, int at) {
            MemorySegment bytes = codes.segment();
            MemorySegment exponents = scales.segment();
            int to = at;
            for (long block = first * groups; block < (first + count) * groups; block++) {
                out[to] = exponents.get(ValueLayout.JAVA_BYTE, block);
                for (int i = 0; i < 16; i++) {
                    out[to + 1 + i] = (byte) (code(bytes, block * 16, i) | code(bytes, block * 16, i + 16) << 4);
                }
                to += 17;
            }
        }
    }

    private record Nvfp4Blocks(Part codes, Part scales, int groups) {
        void readRows(long first, int count, byte[] out, int at) {
            MemorySegment bytes = codes.segment();
            MemorySegment scaleBytes = scales.segment();
            int to = at;
            for (long sub = first * groups; sub < (first + count) * groups; sub++) {
                int inBlock = (int) (sub & 3);
                byte scale = scaleBytes.get(ValueLayout.JAVA_BYTE, sub);
                if (scale < 0) {
                    throw scales.refused("scale " + sub + " is negative, and GGUF's NVFP4 scales have no sign; "
                            + "--dequantize reads it");
                }
                out[to + inBlock] = scale;
                for (int i = 0; i < 8; i++) {
                    out[to + 4 + 8 * inBlock + i] = (byte) (code(bytes, sub * 8, i) | code(bytes, sub * 8, i + 8) << 4);
                }
                to += inBlock == 3 ? 36 : 0;
            }
        }
    }
}
