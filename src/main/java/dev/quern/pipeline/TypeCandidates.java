package dev.quern.pipeline;

import dev.quern.allocation.Floors;
import dev.quern.quantization.QuantType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Among which types one tensor gets one, in the order of their bits for a weight.
 *
 * @param floored whether a floor has taken types away
 */
public record TypeCandidates(Quantization.Undecided tensor, List<QuantType> types, boolean floored) {
    private static final List<QuantType> FREE = List.of(
            QuantType.Q2_K,
            QuantType.Q3_K,
            QuantType.IQ4_XS,
            QuantType.Q4_K,
            QuantType.IQ4_NL,
            QuantType.Q4_0,
            QuantType.Q4_1,
            QuantType.Q5_K,
            QuantType.Q5_0,
            QuantType.Q5_1,
            QuantType.Q6_K,
            QuantType.Q8_0);

    /** Lattices, which without importance lose more than they spare, or cannot be made at all. */
    private static final List<QuantType> WITH_IMPORTANCE =
            List.of(QuantType.IQ2_XXS, QuantType.IQ2_XS, QuantType.IQ2_S, QuantType.IQ3_XXS, QuantType.IQ3_S);

    public TypeCandidates {
        types = List.copyOf(types);
    }

    /**
     * @param requantize whether a tensor that is quantized already may be quantized again
     */
    static TypeCandidates of(Quantization.Undecided tensor, boolean requantize, Floors floors) {
        QuantType current = tensor.current();
        List<QuantType> types = new ArrayList<>(List.of(current));
        if (!current.isQuantized() || requantize) {
            List<QuantType> wanted = new ArrayList<>(FREE);
            if (tensor.importance() != null) {
                wanted.addAll(WITH_IMPORTANCE);
            }
            if (current == QuantType.F32) {
                wanted.add(QuantType.F16);
            }
            // Weights of a checkpoint that are packed as blocks of a type lose next to nothing as that type.
            tensor.source()
                    .blocks()
                    .filter(blocks -> blocks.factors().isEmpty())
                    .flatMap(blocks -> QuantType.fromName(blocks.encoding()))
                    .filter(type -> !wanted.contains(type))
                    .ifPresent(wanted::add);
            wanted.stream()
                    .filter(type -> type.bitsPerWeight() < current.bitsPerWeight())
                    .filter(type -> tensor.shape().rowLength() % type.blockLength() == 0)
                    .filter(type -> !tensor.barred().contains(type))
                    .forEach(types::add);
        }
        types.sort(Comparator.comparingDouble(QuantType::bitsPerWeight).thenComparing(Comparator.naturalOrder()));
        List<QuantType> allowed = types.stream()
                .filter(type -> type == current || floors.allows(tensor.name(), type))
                .toList();
        return new TypeCandidates(tensor, allowed, allowed.size() < types.size());
    }

    /** Bytes as a type. */
    public long bytes(QuantType type) {
        return Math.multiplyExact(
                tensor.shape().rows(), type.bytesFor(tensor.shape().rowLength()));
    }

    /** With the fewest bits. */
    QuantType smallest() {
        return types.getFirst();
    }

    /** What the source has, without loss. */
    QuantType largest() {
        return tensor.current();
    }
}
