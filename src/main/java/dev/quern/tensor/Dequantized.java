package dev.quern.tensor;

import dev.quern.io.Region;

/**
 * Quantized blocks in a file, read as floats. {@code info.dtype()} is F32: what the rows are once decoded.
 *
 * @param encoding the blocks' type name, as GGUF has it
 * @param rowBytes bytes of one row of blocks
 */
public record Dequantized(TensorInfo info, Region region, String encoding, long rowBytes, RowDecoder decoder)
        implements TensorSource {
    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int values = Math.toIntExact(count * info.shape().rowLength());
        Reading.guarded(region, () -> decoder.decode(region.segment(), first * rowBytes, values, out, at));
    }
}
