package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.util.EnumMap;
import java.util.Map;

/** The arrays of one forward pass, kept from call to call and as large as the largest call needed. */
final class Buffers {
    /** What an array is for; two of one kind are never in use at a time. */
    enum Use {
        STATES,
        /** Normalized states, and then what attention gives. */
        NORMED,
        /** Queries, and then what is inside the feed-forward network. */
        INNER,
        KEYS,
        VALUES,
        WANTED,
        /** States before attention, where attention and the feed-forward network read the same. */
        BEFORE,
        /** What is normalized before it is added to the states. */
        BRANCH,
        ROUTED,
        EXPERT_INPUT,
        EXPERT_INNER,
        LATENT_QUERY,
        LATENT_STATE,
        LATENT_PART,
        LATENT_PRODUCT,
        LATENT_RESULT,
        SCAN_GATE,
        CONVOLVED,
        /** What Δ, B and C come from. */
        SCAN_PARTS,
        /** Δ before its matrix widens it. */
        NARROW_STEPS,
        SCAN_STEPS
    }

    private final Map<Use, float[]> arrays = new EnumMap<>(Use.class);

    Blocked blocked(Use use, int rows, int width) {
        return new Blocked(rows, width, array(use, Blocked.size(rows, width)));
    }

    Packed packed(Use use, int rows, int width) {
        return new Packed(rows, width, array(use, Packed.size(rows, width)));
    }

    private float[] array(Use use, int size) {
        float[] array = arrays.get(use);
        if (array == null || array.length < size) {
            array = new float[size];
            arrays.put(use, array);
        }
        return array;
    }
}
