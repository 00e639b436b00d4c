package dev.quern.checkpoint.packed;

import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import java.util.Arrays;
import java.util.LinkedHashMap;

/**
 * gpt-oss's experts: {@code NAME_blocks} U8 [experts, rows, groups, 16] and {@code NAME_scales} U8 [experts, rows,
 * groups]. They are shown as {@code NAME.weight} [experts, rows, groups·32], the order that every Linear has.
 */
final class Mxfp4Experts {
    private Mxfp4Experts() {}

    static String unpack(Parts parts) {
        for (String name : parts.stems("_blocks")) {
            Part codes = parts.part(name + "_blocks").expect(DType.U8);
            int rank = codes.shape().rank();
            if (rank < 3 || codes.shape().dim(rank - 1) != 16) {
                throw codes.refused("expected blocks of 16 bytes, found the shape " + codes.shape());
            }
            long[] outer = Arrays.copyOf(codes.shape().dims(), rank - 1);
            Part scales = FloatPairs.exponents(parts.part(name + "_scales")).expectShape(outer);
            long[] logical = outer.clone();
            // 16 bytes for each 32 values lie in the file, so the product is less than twice its length.
            logical[rank - 2] *= 32;
            FloatPairs.add(
                    name + ".weight",
                    Shape.of(logical),
                    codes,
                    scales,
                    32,
                    scale -> scale,
                    new LinkedHashMap<>(),
                    parts);
        }
        return "MXFP4";
    }
}
