package dev.quern.pipeline;

import dev.quern.concurrent.Workers;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.tensor.DType;
import dev.quern.tensor.EncodedBlocks;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A tensor's rows as blocks in memory. */
record Encoding(Workers workers) {
    /** As the reference makes them. */
    byte[] reference(PlannedTensor tensor, int firstRow, int rows) {
        return encode(tensor, firstRow, rows, () -> Codecs.create(tensor.type(), Kernel.fastest()));
    }

    /** By search where the type has codes to search for, else as the reference. */
    byte[] searched(PlannedTensor tensor, int firstRow, int rows) {
        return SearchCodecs.create(tensor.type()).isEmpty()
                ? reference(tensor, firstRow, rows)
                : encode(
                        tensor,
                        firstRow,
                        rows,
                        () -> SearchCodecs.create(tensor.type()).orElseThrow());
    }

    private byte[] encode(PlannedTensor tensor, int firstRow, int rows, Supplier<BlockCodec> codecOf) {
        int length = Math.toIntExact(tensor.shape().rowLength());
        int rowBytes = Math.toIntExact(tensor.type().bytesFor(length));
        byte[] out = new byte[Math.multiplyExact(rows, rowBytes)];
        StorableValues check = new StorableValues(tensor, tensor.source().origin(), false);
        BlockCodec[] codecs = new BlockCodec[workers.threads()];
        float[][] row = new float[workers.threads()][length];
        float @Nullable [][] importance = tensor.importance();
        workers.each(rows, (index, worker) -> {
            if (codecs[worker] == null) {
                codecs[worker] = codecOf.get();
            }
            tensor.source().readRows(firstRow + (long) index, 1, row[worker], 0);
            float[] weights = importance == null
                    ? null
                    : importance[
                            (int) ((firstRow + (long) index)
                                    * importance.length
                                    / tensor.shape().rows())];
            boolean large = check.values(firstRow + (long) index, row[worker], length);
            try {
                codecs[worker].quantize(row[worker], 0, length, weights, out, index * rowBytes);
            } catch (ArithmeticException e) {
                throw check.tooLarge(firstRow + (long) index, e);
            }
            if (large) {
                check.blocks(firstRow + (long) index, row[worker], length, codecs[worker], out, index * rowBytes);
            }
        });
        return out;
    }

    /** Some rows' blocks, as a tensor of these rows. */
    static TensorSource decoded(PlannedTensor tensor, int rows, byte[] blocks) {
        TensorInfo info = tensor.source().info();
        long length = tensor.shape().rowLength();
        return new EncodedBlocks(
                new TensorInfo(info.name(), DType.F32, Shape.of(rows, length)),
                MemorySegment.ofArray(blocks),
                tensor.type().name(),
                tensor.type().bytesFor(length),
                Codecs.decoder(tensor.type(), Kernel.fastest()));
    }
}
