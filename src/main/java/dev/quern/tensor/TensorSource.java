package dev.quern.tensor;

import dev.quern.io.InputException;

/**
 * A tensor as a promise of rows. Leaves lie in mapped files; the other nodes are lazy views over them. Nothing here
 * holds a tensor's values: memory is what the caller's {@code out} takes. Reading is thread-safe.
 */
public sealed interface TensorSource
        permits Stored, Strided, Dequantized, Computed, PermutedRows, Concatenated, Renamed {
    TensorInfo info();

    /**
     * Reads rows {@code first .. first + count - 1} as floats into {@code out} from index {@code at} on, one after the
     * other. Values of wider types are rounded to the nearest float, as torch's {@code .float()} does.
     *
     * @throws InputException when the file changed while being read
     */
    void readRows(long first, int count, float[] out, int at);

    /** The file that the rows come from, for messages; of several the first. */
    default String origin() {
        return switch (this) {
            case Stored stored -> stored.region().file().path().toString();
            case Strided view -> view.storage().file().path().toString();
            case Dequantized blocks -> blocks.region().file().path().toString();
            case Computed computed -> computed.info().name() + " (computed)";
            case PermutedRows permuted -> permuted.source().origin();
            case Concatenated joined -> joined.parts().getFirst().origin();
            case Renamed renamed -> renamed.source().origin();
        };
    }
}
