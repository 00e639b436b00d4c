package dev.quern.tensor;

import dev.quern.io.Region;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Quantized blocks in a file, read as floats. {@code info.dtype()} is F32: what the rows are once decoded.
 *
 * @param encoding the blocks' type name, as GGUF has it
 * @param rowBytes bytes of one row of blocks, as they lie in the file
 * @param layout how the file's blocks become GGUF's of that type; empty where they are GGUF's
 */
public record Dequantized(
        TensorInfo info,
        Region region,
        String encoding,
        long rowBytes,
        RowDecoder decoder,
        Optional<BlockLayout> layout)
        implements TensorSource {

    /** Blocks of one type in another arrangement than GGUF's. Stateless, so that several threads may share one. */
    @FunctionalInterface
    public interface BlockLayout {
        /** Writes {@code rows} rows, which begin at {@code firstByte} of {@code source}, as GGUF's blocks into {@code out}. */
        void repack(MemorySegment source, long firstByte, int rows, byte[] out);
    }

    /** Blocks that lie as GGUF has them. */
    public Dequantized(TensorInfo info, Region region, String encoding, long rowBytes, RowDecoder decoder) {
        this(info, region, encoding, rowBytes, decoder, Optional.empty());
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int values = Math.toIntExact(count * info.shape().rowLength());
        Reading.guarded(region, () -> decoder.decode(region.segment(), first * rowBytes, values, out, at));
    }

    /** Puts rows {@code first .. first + count - 1}, as blocks of GGUF's, at the start of {@code out}. */
    public void copyRows(long first, int count, byte[] out) {
        Reading.guarded(
                region,
                () -> layout.ifPresentOrElse(
                        blocks -> blocks.repack(region.segment(), first * rowBytes, count, out),
                        () -> region.copyTo(first * rowBytes, out, Math.toIntExact(count * rowBytes))));
    }
}
