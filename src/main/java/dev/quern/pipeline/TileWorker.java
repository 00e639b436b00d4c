package dev.quern.pipeline;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

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
                read(tile);
                decoded = true;
            }
            encode(tile, place);
        }
    }

    private void read(Conversion.Tile tile) {
        int count = Math.toIntExact(tile.rows() * tile.source().info().shape().rowLength());
        if (values.length < count) {
            values = new float[count];
        }
        tile.source().readRows(tile.firstRow(), tile.rows(), values, 0);
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
        boolean large = checkValues(tile, tensor, count);
        BlockCodec codec = tensor.searched()
                ? searchCodecs.computeIfAbsent(
                        tensor.type(), type -> SearchCodecs.create(type).orElseThrow())
                : codecs.computeIfAbsent(tensor.type(), codecOf);
        float @Nullable [][] importance = tensor.importance();
        for (int row = 0; row < tile.rows(); row++) {
            float[] weights = importance == null
                    ? null
                    : importance[
                            (int) ((tile.firstRow() + row)
                                    * importance.length
                                    / tensor.shape().rows())];
            try {
                codec.quantize(values, row * length, length, weights, encoded, row * rowBytes);
            } catch (ArithmeticException e) {
                // Squares of huge values overflow in the searches of some types; the reference aborts there.
                throw InputException.of(
                                tile.source().origin(),
                                "tensor " + Quoted.of(tensor.name()) + ", row " + (tile.firstRow() + row)
                                        + ": values too large for " + tensor.type())
                        .withCause(e);
            }
        }
        if (large && tensor.type().isQuantized()) {
            checkBlocks(tile, tensor, codec, count);
        }
        put(place, tile.firstRow() * rowBytes, bytes);
    }

    /** Refuses what the type cannot hold. @return whether some value is beyond F16, which may overflow a block's scale */
    private boolean checkValues(Conversion.Tile tile, PlannedTensor tensor, int count) {
        int suspect = FiniteCheck.firstNotBelow(FiniteCheck.F16_OVERFLOW, values, count);
        if (suspect < 0) {
            return false;
        }
        boolean keeps = options.allowNonFinite() && !tensor.type().isQuantized();
        int at = tensor.type() == QuantType.F16
                ? suspect
                : FiniteCheck.firstNotBelow(Float.POSITIVE_INFINITY, values, count);
        if (at >= 0 && !keeps) {
            throw notStorable(tile, tensor, at, values[at]);
        }
        return true;
    }

    /** Huge finite values can give a block an infinite scale; llama-quantize's validation refuses that block too. */
    private void checkBlocks(Conversion.Tile tile, PlannedTensor tensor, BlockCodec codec, int count) {
        float[] decoded = new float[count];
        codec.dequantize(MemorySegment.ofArray(encoded), 0, count, decoded, 0);
        int at = FiniteCheck.firstNotBelow(Float.POSITIVE_INFINITY, decoded, count);
        if (at >= 0) {
            throw notStorable(tile, tensor, at, values[at]);
        }
    }

    private InputException notStorable(Conversion.Tile tile, PlannedTensor tensor, int at, float value) {
        Shape shape = tensor.shape();
        long element = tile.firstRow() * shape.rowLength() + at;
        String problem = Float.isFinite(value)
                ? "value " + value + " is beyond what " + tensor.type() + " can hold"
                : "value is " + value;
        return InputException.of(
                        tile.source().origin(),
                        "tensor " + Quoted.of(tensor.name()) + ", element " + shape.index(element) + ": " + problem)
                .withHint(
                        Float.isFinite(value)
                                ? "choose F32 or BF16, or --allow-non-finite to store it as infinity where the type can"
                                : "the checkpoint is damaged; --allow-non-finite keeps such values in F32, F16 and"
                                        + " BF16");
    }

    private void copy(Conversion.Tile tile, Target.Place place) {
        PlannedTensor tensor = place.tensor();
        long rowBytes = tensor.type().bytesFor(tensor.shape().rowLength());
        int bytes = Math.toIntExact(tile.rows() * rowBytes);
        if (encoded.length < bytes) {
            encoded = new byte[bytes];
        }
        copyRows(tile.source(), tile.firstRow(), tile.rows());
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
