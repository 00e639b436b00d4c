package dev.quern.pipeline;

import dev.quern.concurrent.Workers;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.DType;
import dev.quern.tensor.EncodedBlocks;
import dev.quern.tensor.RowTile;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Rows as blocks in memory.
 *
 * @param kernel of the reference's codecs
 * @param searched whether codes are found by search where a type has codes to search for
 */
record Encoding(Kernel kernel, boolean searched) implements TensorEncoder {
    /** As conversions write them unless the user wants other codes. */
    static final Encoding REFERENCE = new Encoding(Kernel.fastest(), false);

    static final Encoding SEARCH = new Encoding(Kernel.fastest(), true);

    private BlockCodec codec(QuantType type) {
        Optional<BlockCodec> search = searched ? Codecs.searching(type) : Optional.empty();
        return search.orElseGet(() -> Codecs.create(type, kernel));
    }

    @Override
    public EncodedBlocks encode(Quantization.Undecided tensor, QuantType type, Workers workers, Arena memory) {
        Shape shape = tensor.source().info().shape();
        MemorySegment blocks = memory.allocate(Math.multiplyExact(shape.rows(), type.bytesFor(shape.rowLength())));
        encode(tensor.source(), 0, shape.rows(), type, tensor::importanceOf, null, blocks, workers);
        return decoded(tensor.source().info(), shape.rows(), type, blocks);
    }

    /**
     * Some rows of a tensor.
     *
     * @throws dev.quern.io.InputException for values that the type cannot hold
     */
    byte[] encode(PlannedTensor tensor, int firstRow, int rows, Workers workers) {
        byte[] out = new byte
                [Math.multiplyExact(
                        rows,
                        Math.toIntExact(tensor.type().bytesFor(tensor.shape().rowLength())))];
        encode(
                tensor.source(),
                firstRow,
                rows,
                tensor.type(),
                tensor::importanceOf,
                new StorableValues(tensor, false),
                MemorySegment.ofArray(out),
                workers);
        return out;
    }

    /** @param check of values, or null where blocks that are not finite tell by themselves */
    private void encode(
            TensorSource source,
            long firstRow,
            long rows,
            QuantType type,
            LongFunction<float @Nullable []> importanceOf,
            @Nullable StorableValues check,
            MemorySegment out,
            Workers workers) {
        Shape shape = source.info().shape();
        int length = Math.toIntExact(shape.rowLength());
        int rowBytes = Math.toIntExact(type.bytesFor(length));
        int atOnce = RowTile.rowsAtOnce(shape);
        Scratch[] scratch = new Scratch[workers.threads()];
        workers.each(Math.toIntExact(Math.ceilDiv(rows, atOnce)), (index, worker) -> {
            if (scratch[worker] == null) {
                scratch[worker] = new Scratch(codec(type), new float[atOnce * length], new byte[atOnce * rowBytes]);
            }
            Scratch mine = scratch[worker];
            long first = firstRow + (long) index * atOnce;
            int count = (int) Math.min(atOnce, firstRow + rows - first);
            source.readRows(first, count, mine.values, 0);
            boolean large = check != null && check.values(first, mine.values, count * length);
            for (int row = 0; row < count; row++) {
                try {
                    mine.codec.quantize(
                            mine.values,
                            row * length,
                            length,
                            importanceOf.apply(first + row),
                            mine.blocks,
                            row * rowBytes);
                } catch (ArithmeticException e) {
                    throw check == null ? e : check.tooLarge(first + row, e);
                }
            }
            if (check != null && large) {
                check.blocks(first, mine.values, count * length, mine.codec, mine.blocks, 0);
            }
            MemorySegment.copy(
                    mine.blocks, 0, out, ValueLayout.JAVA_BYTE, (first - firstRow) * rowBytes, count * rowBytes);
        });
    }

    private record Scratch(BlockCodec codec, float[] values, byte[] blocks) {}

    /** Some rows' blocks, as a tensor of these rows. */
    static TensorSource decoded(PlannedTensor tensor, int rows, byte[] blocks) {
        return decoded(tensor.source().info(), rows, tensor.type(), MemorySegment.ofArray(blocks));
    }

    private static EncodedBlocks decoded(TensorInfo info, long rows, QuantType type, MemorySegment blocks) {
        long length = info.shape().rowLength();
        Shape shape = rows == info.shape().rows() ? info.shape() : Shape.of(rows, length);
        return new EncodedBlocks(
                new TensorInfo(info.name(), DType.F32, shape),
                blocks,
                type.name(),
                type.bytesFor(length),
                Codecs.decoder(type, Kernel.fastest()));
    }
}
