package dev.quern.pipeline;

import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorSource;
import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Function;

/** One thread's share: its scratch, its codecs, and the way of a tile from source to files. */
final class TileWorker {
    private final Conversion.Options options;
    private final Function<QuantType, BlockCodec> codecOf;
    private final Map<QuantType, BlockCodec> codecs = new EnumMap<>(QuantType.class);
    private final Map<QuantType, BlockCodec> searchCodecs = new EnumMap<>(QuantType.class);
    private float[] values = new float[0];
    private byte[] encoded = new byte[0];

    /** @param codecOf makes a codec for this thread */
    TileWorker(Conversion.Options options, Function<QuantType, BlockCodec> codecOf) {
        this.options = options;
        this.codecOf = codecOf;
    }

    void write(Conversion.Tile tile) {
        boolean decoded = false;
        for (Target.Place place : tile.places()) {
            if (place.tensor().copied()) {
                copy(tile, place);
                continue;
            }
            if (!decoded) {
                read(place.tensor().source(), tile);
                decoded = true;
            }
            encode(tile, place);
        }
    }

    private void read(TensorSource source, Conversion.Tile tile) {
        int count = Math.toIntExact(tile.values());
        if (values.length < count) {
            values = new float[count];
        }
        source.readRows(tile.firstRow(), tile.rows(), values, 0);
    }

    private void encode(Conversion.Tile tile, Target.Place place) {
        PlannedTensor tensor = place.tensor();
        int length = Math.toIntExact(tensor.shape().rowLength());
        int rowBytes = Math.toIntExact(tensor.type().bytesFor(length));
        int bytes = Math.multiplyExact(tile.rows(), rowBytes);
        if (encoded.length < bytes) {
            encoded = new byte[bytes];
        }
        int count = tile.rows() * length;
        StorableValues check = new StorableValues(tensor, options.allowNonFinite());
        boolean large = check.values(tile.firstRow(), values, count);
        BlockCodec codec = tensor.searched()
                ? searchCodecs.computeIfAbsent(
                        tensor.type(), type -> Codecs.searching(type).orElseThrow())
                : codecs.computeIfAbsent(tensor.type(), codecOf);
        for (int row = 0; row < tile.rows(); row++) {
            float[] weights = tensor.importanceOf(tile.firstRow() + row);
            try {
                codec.quantize(values, row * length, length, weights, encoded, row * rowBytes);
            } catch (ArithmeticException e) {
                throw check.tooLarge(tile.firstRow() + row, e);
            }
        }
        if (large && tensor.type().isQuantized()) {
            check.blocks(tile.firstRow(), values, count, codec, encoded, 0);
        }
        put(place, tile.firstRow() * rowBytes, bytes);
    }

    private void copy(Conversion.Tile tile, Target.Place place) {
        PlannedTensor tensor = place.tensor();
        long rowBytes = tensor.type().bytesFor(tensor.shape().rowLength());
        int bytes = Math.toIntExact(tile.rows() * rowBytes);
        if (encoded.length < bytes) {
            encoded = new byte[bytes];
        }
        copyRows(tensor.source(), tile.firstRow(), tile.rows());
        put(place, tile.firstRow() * rowBytes, bytes);
    }

    private void copyRows(TensorSource source, long first, int rows) {
        switch (source) {
            case Stored stored -> stored.copyRows(first, rows, encoded);
            case Dequantized blocks -> blocks.copyRows(first, rows, encoded);
            case Renamed renamed -> copyRows(renamed.source(), first, rows);
            default ->
                source.blocks()
                        .orElseThrow(
                                () -> new IllegalStateException(source.info().name() + " does not lie in a file"))
                        .reader()
                        .readRows(first, rows, encoded, 0);
        }
    }

    private void put(Target.Place place, long offset, int bytes) {
        byte[] part = encoded;
        TensorHash hash = place.hash();
        if (hash == null || hash.isNext(offset, part, bytes)) {
            encoded = place.target().turns().write(new WriteTurns.Part(part, () -> write(place, offset, part, bytes)));
            return;
        }
        // It is read back when its turn to be hashed comes, so it has to be there when this is said.
        write(place, offset, part, bytes);
        hash.written(offset, part, bytes);
    }

    private static void write(Target.Place place, long offset, byte[] part, int bytes) {
        TensorExtent extent = place.extent();
        place.target().file().write(ByteBuffer.wrap(part, 0, bytes), place.position() + offset, () -> {
            if (extent != null) {
                extent.written(offset, part, bytes);
            }
        });
    }
}
