package dev.quern.tensor;

import dev.quern.io.Region;
import java.util.Optional;

/**
 * A weight that lies packed in a file, in one tensor or several: codes, scales, zero points. {@code info} is what it is
 * once unpacked; {@code info.dtype()} is F32.
 *
 * @param region the codes, for messages
 * @param rows computes the values
 * @param blocks the same weight as blocks of a GGUF type, where the packing is one
 */
public record Unpacked(TensorInfo info, Region region, RowReader rows, Optional<NativeBlocks> blocks)
        implements TensorSource {
    public Unpacked(TensorInfo info, Region region, RowReader rows) {
        this(info, region, rows, Optional.empty());
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        Reading.guarded(region, () -> rows.readRows(first, count, out, at));
    }
}
