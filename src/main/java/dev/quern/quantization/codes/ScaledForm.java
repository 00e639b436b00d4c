package dev.quern.quantization.codes;

import dev.quern.quantization.QuantType;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * How a type lays scales over its values: an F16 factor {@code d} for a block, and where it has them a scale, and a
 * minimum, for each group within a block. What is scaled is a code of each value's own ({@link CodeForm}) or the
 * coordinates of a point ({@link LatticeForm}).
 */
public sealed interface ScaledForm permits CodeForm, LatticeForm {
    /**
     * Empty for types that are neither: floats, the 4-bit floats, ternary types, and those of one bit, the points of
     * whose grids are shifted.
     */
    static Optional<ScaledForm> of(QuantType type) {
        return Stream.<ScaledForm>concat(Stream.of(CodeForm.values()), Stream.of(LatticeForm.values()))
                .filter(form -> form.type() == type)
                .findFirst();
    }

    QuantType type();

    /** Values in a block, which have a {@code d} together. */
    default int block() {
        return type().blockLength();
    }

    /** Values in a group, which have a scale together. */
    int group();

    /** Groups of a block. */
    default int groups() {
        return block() / group();
    }

    /** Neighbouring values that can only be chosen together. */
    int together();

    /** Whether groups have scales of their own within a block. */
    boolean hasGroupScales();

    /** The scale nearest to a wanted one. */
    float nearestScale(float wanted);

    /** The largest minimum of a group; 0 for types without. */
    int highestMinimum();

    default boolean hasMinima() {
        return highestMinimum() > 0;
    }
}
