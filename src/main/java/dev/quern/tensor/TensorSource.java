package dev.quern.tensor;

import dev.quern.io.InputException;
import java.util.Optional;

/**
 * A tensor as a promise of rows. Leaves lie in mapped files; the other nodes are lazy views over them. Nothing here
 * holds a tensor's values: memory is what the caller's {@code out} takes. Reading is thread-safe.
 */
public sealed interface TensorSource
        permits Stored,
                Strided,
                Dequantized,
                EncodedBlocks,
                Unpacked,
                Computed,
                PermutedRows,
                Concatenated,
                LowRankSum,
                Renamed,
                Replaceable,
                Scaled,
                Mapped,
                SelectedColumns,
                Transposed {
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
            case EncodedBlocks blocks -> blocks.info().name() + " (as " + blocks.encoding() + ")";
            case Computed computed -> computed.info().name() + " (computed)";
            case PermutedRows permuted -> permuted.source().origin();
            case Concatenated joined -> joined.parts().getFirst().origin();
            case Renamed renamed -> renamed.source().origin();
            case Replaceable now -> now.rows().origin();
            case Unpacked packed -> packed.region().file().path().toString();
            case LowRankSum sum -> sum.base().origin();
            case Scaled scaled -> scaled.source().origin();
            case Mapped mapped -> mapped.source().origin();
            case SelectedColumns columns -> columns.source().origin();
            case Transposed transposed -> transposed.source().origin();
        };
    }

    /** The same rows as blocks of a GGUF type, where they lie as such in a checkpoint or can be had by moving bits. */
    default Optional<NativeBlocks> blocks() {
        return switch (this) {
            case Unpacked packed -> packed.blocks();
            case Renamed renamed -> renamed.source().blocks();
            case PermutedRows permuted -> permuted.permutedBlocks();
            case Concatenated joined -> joined.joinedBlocks();
            case Stored _,
                    Strided _,
                    Dequantized _,
                    EncodedBlocks _,
                    Computed _,
                    LowRankSum _,
                    Replaceable _,
                    Scaled _,
                    Mapped _,
                    SelectedColumns _,
                    Transposed _ -> Optional.empty();
        };
    }
}
