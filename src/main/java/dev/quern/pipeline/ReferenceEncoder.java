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

/** The codes that a conversion writes: llama-quantize's. */
record ReferenceEncoder(Kernel kernel) implements TensorEncoder {
    @Override
    public EncodedBlocks encode(Quantization.Undecided tensor, QuantType type, Workers workers, Arena memory) {
        TensorSource source = tensor.source();
        Shape shape = source.info().shape();
        int length = Math.toIntExact(shape.rowLength());
        int rowBytes = Math.toIntExact(type.bytesFor(length));
        MemorySegment blocks = memory.allocate(Math.multiplyExact(shape.rows(), (long) rowBytes));
        BlockCodec[] codecs = new BlockCodec[workers.threads()];
        float[][] values = new float[workers.threads()][];
        byte[][] encoded = new byte[workers.threads()][];
        workers.each(RowTile.count(shape), (index, worker) -> {
            if (codecs[worker] == null) {
                codecs[worker] = Codecs.create(type, kernel);
                values[worker] = new float[RowTile.rowsAtOnce(shape) * length];
                encoded[worker] = new byte[RowTile.rowsAtOnce(shape) * rowBytes];
            }
            RowTile tile = RowTile.of(shape, index);
            source.readRows(tile.firstRow(), tile.rows(), values[worker], 0);
            for (int row = 0; row < tile.rows(); row++) {
                codecs[worker].quantize(
                        values[worker],
                        row * length,
                        length,
                        tensor.importanceOf(tile.firstRow() + row),
                        encoded[worker],
                        row * rowBytes);
            }
            MemorySegment.copy(
                    encoded[worker],
                    0,
                    blocks,
                    ValueLayout.JAVA_BYTE,
                    tile.firstRow() * rowBytes,
                    tile.rows() * rowBytes);
        });
        TensorInfo info = new TensorInfo(source.info().name(), DType.F32, shape);
        return new EncodedBlocks(info, blocks, type.name(), rowBytes, Codecs.decoder(type, Kernel.SIMD));
    }
}
