package dev.quern.tensor;

import java.util.Optional;
import java.util.function.LongUnaryOperator;

/**
 * The same rows in another order, or some of them.
 *
 * @param sourceRow row of {@code source} that stands at a given row of this tensor
 */
public record PermutedRows(TensorInfo info, TensorSource source, LongUnaryOperator sourceRow) implements TensorSource {
    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int length = Math.toIntExact(info.shape().rowLength());
        for (int row = 0; row < count; row++) {
            source.readRows(sourceRow.applyAsLong(first + row), 1, out, at + row * length);
        }
    }

    Optional<NativeBlocks> permutedBlocks() {
        return source.blocks().map(blocks -> {
            int rowBytes = Math.toIntExact(blocks.rowBytes());
            NativeBlocks.BlockReader reader = (first, count, out, at) -> {
                for (int row = 0; row < count; row++) {
                    blocks.reader().readRows(sourceRow.applyAsLong(first + row), 1, out, at + row * rowBytes);
                }
            };
            return new NativeBlocks(blocks.encoding(), rowBytes, reader, blocks.factors());
        });
    }
}
