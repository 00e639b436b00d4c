package dev.quern.checkpoint.packed;

import dev.quern.io.Quoted;
import dev.quern.io.StrictJson;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * bitsandbytes. 8 bits (LLM.int8): {@code weight} I8 and {@code SCB} F32, each row's largest magnitude:
 * W = code · SCB / 127. 4 bits (NF4, FP4): {@code weight} U8, two codes to a byte, the first in the high half, through
 * the whole matrix without regard to rows; {@code weight.quant_map}, what the 16 codes stand for;
 * {@code weight.absmax}, a factor for each block of codes, itself in 8 bits where {@code nested_*} tensors say how; and
 * {@code weight.quant_state.bitsandbytes__nf4} (or fp4), JSON as bytes, with the shape and the block sizes.
 */
final class BitsAndBytes {
    private static final List<String> STATES =
            List.of(".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4");

    private BitsAndBytes() {}

    static String unpack(QuantizationConfig config, Parts parts) {
        boolean four = config.bool("load_in_4bit").orElse(false)
                || config.bool("_load_in_4bit").orElse(false);
        boolean eight = config.bool("load_in_8bit").orElse(false)
                || config.bool("_load_in_8bit").orElse(false);
        List<String> scaled = parts.stems(".SCB");
        List<String> mapped =
                STATES.stream().flatMap(suffix -> parts.stems(suffix).stream()).toList();
        if (four && !eight && !scaled.isEmpty()) {
            throw config.refused(
                    "load_in_4bit", "is true, but " + Quoted.of(scaled.getFirst()) + " is packed in 8 bits");
        }
        if (eight && !four && !mapped.isEmpty()) {
            throw config.refused(
                    "load_in_8bit", "is true, but " + Quoted.of(mapped.getFirst()) + " is packed in 4 bits");
        }
        for (String module : scaled) {
            addInt8(module, parts);
        }
        for (String suffix : STATES) {
            for (String module : parts.stems(suffix)) {
                addFourBit(module + ".weight", module + suffix, parts);
            }
        }
        parts.dropEnding(".weight_format");
        return "bitsandbytes ("
                + (scaled.isEmpty() ? parts.stems(STATES.getFirst()).isEmpty() ? "FP4" : "NF4" : "LLM.int8") + ")";
    }

    private static void addInt8(String module, Parts parts) {
        Part codes = parts.part(module + ".weight").expect(DType.I8).expectMatrix();
        long rows = codes.shape().dim(0);
        int width = (int) codes.shape().dim(1);
        Part largest = parts.part(module + ".SCB").expect(DType.F32).expectShape(rows);
        parts.find(module + ".weight_format").ifPresent(format -> {
            float[] kind = format.floats();
            if (kind.length != 1 || kind[0] != 0) {
                throw format.refused("the 8-bit weight is not in row-major order")
                        .withHint("save the model again with bitsandbytes 0.43 or newer");
            }
        });
        parts.add(codes.name(), codes.shape(), codes, (first, count, out, at) -> {
            codes.floats(first * width, count * width, out, at);
            float[] scale = new float[count];
            largest.floats(first, count, scale, 0);
            for (int row = 0; row < count; row++) {
                for (int i = at + row * width; i < at + (row + 1) * width; i++) {
                    out[i] = out[i] * scale[row] / 127;
                }
            }
        });
    }

    /** @param blockSize codes that share a factor */
    private record State(Shape shape, long blockSize, long nestedBlockSize, float nestedOffset) {}

    private static State state(Part part) {
        JsonNode json;
        try {
            json = StrictJson.tree(part.region(), 1 << 16);
        } catch (JacksonException e) {
            throw part.refused("is not JSON").withCause(e);
        }
        JsonNode shape = json.path("shape");
        if (shape.size() != 2 || !isSize(shape.path(0)) || !isSize(shape.path(1))) {
            throw part.refused("expected the shape of a matrix, found " + Quoted.plain(shape.toString()));
        }
        JsonNode nested = json.path("nested_blocksize");
        JsonNode offset = json.path("nested_offset");
        if (!isSize(json.path("blocksize")) || !nested.isMissingNode() && !isSize(nested)) {
            throw part.refused("expected block sizes, found "
                    + Quoted.plain(json.path("blocksize").toString()) + " and " + Quoted.plain(nested.toString()));
        }
        return new State(
                Shape.of(shape.path(0).longValue(), shape.path(1).longValue()),
                json.path("blocksize").longValue(),
                nested.isMissingNode() ? 0 : nested.longValue(),
                (float) offset.asDouble(0));
    }

    private static boolean isSize(JsonNode node) {
        return node.isIntegralNumber() && node.canConvertToInt() && node.intValue() > 0;
    }

    private static void addFourBit(String weight, String stateName, Parts parts) {
        State state = state(parts.part(stateName).expect(DType.U8));
        Shape shape = state.shape();
        Part codes = parts.part(weight).expect(DType.U8).expectElements(Math.ceilDiv(shape.elements(), 2));
        long blocks = Math.ceilDiv(shape.elements(), state.blockSize());
        float[] map = parts.part(weight + ".quant_map")
                .expect(DType.F32)
                .expectElements(16)
                .floats();
        Part largest =
                parts.part(weight + ".absmax").expect(DType.F32, DType.U8).expectElements(blocks);
        Factors factors;
        if (largest.dtype() == DType.F32) {
            factors = new Factors(largest, Optional.empty(), new float[0], state);
        } else {
            if (state.nestedBlockSize() == 0) {
                throw parts.refused(stateName, "says nothing of nested_blocksize, and absmax is packed");
            }
            Part nested = parts.part(weight + ".nested_absmax")
                    .expect(DType.F32)
                    .expectElements(Math.ceilDiv(blocks, state.nestedBlockSize()));
            float[] nestedMap = parts.part(weight + ".nested_quant_map")
                    .expect(DType.F32)
                    .expectElements(256)
                    .floats();
            factors = new Factors(largest, Optional.of(nested), nestedMap, state);
        }
        int width = (int) shape.rowLength();
        parts.add(weight, shape, codes, (first, count, out, at) -> {
            MemorySegment bytes = codes.segment();
            long element = first * width;
            long end = element + (long) count * width;
            int to = at;
            while (element < end) {
                long block = element / state.blockSize();
                float factor = factors.at(block);
                long stop = Math.min(end, (block + 1) * state.blockSize());
                for (; element < stop; element++) {
                    int pair = bytes.get(ValueLayout.JAVA_BYTE, element >> 1);
                    out[to++] = map[(element & 1) == 0 ? pair >> 4 & 15 : pair & 15] * factor;
                }
            }
        });
    }

    /** Each block's largest magnitude, as a float or in 8 bits: map[code] · nested absmax + offset, rounded twice. */
    private record Factors(Part largest, Optional<Part> nested, float[] map, State state) {
        float at(long block) {
            float[] one = new float[1];
            largest.floats(block, 1, one, 0);
            if (nested.isPresent()) {
                int code = (int) one[0];
                nested.get().floats(block / state.nestedBlockSize(), 1, one, 0);
                return map[code] * one[0] + state.nestedOffset();
            }
            return one[0];
        }
    }
}
