package dev.quern.quantization;

import dev.quern.quantization.CodecCases.Case;
import dev.quern.quantization.CodecCases.Check;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** The types below three bits, the 4-bit floats, and which rows suit them. */
final class GridTypes {
    static final List<QuantType> TYPES = List.of(
            QuantType.IQ3_XXS,
            QuantType.IQ3_S,
            QuantType.IQ2_XXS,
            QuantType.IQ2_XS,
            QuantType.IQ2_S,
            QuantType.IQ1_S,
            QuantType.IQ1_M,
            QuantType.TQ1_0,
            QuantType.TQ2_0,
            QuantType.MXFP4,
            QuantType.NVFP4,
            QuantType.Q1_0,
            QuantType.Q2_0);

    static final Set<QuantType> IMPORTANCE_NEEDED = EnumSet.of(QuantType.IQ2_XXS, QuantType.IQ2_XS, QuantType.IQ1_S);

    /** Rows whose squares overflow: there ggml's IQ quantizers end the process. */
    private static final Set<Distribution> OVERFLOWING =
            EnumSet.of(Distribution.HUGE, Distribution.LARGEST, Distribution.ONE_GIANT, Distribution.ANY_EXPONENT);

    private static final int[] LENGTHS = {256, 1024, 4096};

    private GridTypes() {}

    static boolean isLattice(QuantType type) {
        return type.name().startsWith("IQ");
    }

    /** Visits all distributions with all weightings that the type takes; answers how many values. */
    static long forEach(QuantType type, int seed, Check check) {
        long values = 0;
        for (Distribution distribution : Distribution.values()) {
            if (isLattice(type) && OVERFLOWING.contains(distribution)) {
                continue;
            }
            for (Weighting weighting : Weighting.values()) {
                if (weighting == Weighting.NONE && IMPORTANCE_NEEDED.contains(type)) {
                    continue;
                }
                for (int length : LENGTHS) {
                    check.accept(new Case(type, distribution, weighting, length, seed * 10_000 + length));
                    values += length;
                }
            }
        }
        return values;
    }
}
