package dev.quern.quantization.scalar;

import dev.quern.quantization.QuantType;
import dev.quern.quantization.RowCodec;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Encodes block by block; decodes with the type's stateless decoder. */
abstract class ScalarCodec extends RowCodec {
    private final RowDecoder decoder;

    ScalarCodec(QuantType type, RowDecoder decoder) {
        super(type);
        this.decoder = decoder;
    }

    @Override
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        int blockLength = type().blockLength();
        int blockBytes = type().blockBytes();
        int blocks = length / blockLength;
        if (importance == null) {
            for (int block = 0; block < blocks; block++) {
                encodeBlock(row, from + block * blockLength, out, to + block * blockBytes);
            }
        } else {
            float rowMeanSquare = rowMeanSquare(row, from, length);
            for (int block = 0; block < blocks; block++) {
                int at = block * blockLength;
                encodeBlock(row, from + at, importance, at, rowMeanSquare, out, to + block * blockBytes);
            }
        }
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        decoder.decode(blocks, at, count, out, to);
    }

    /** One block without importance. */
    abstract void encodeBlock(float[] x, int from, byte[] out, int to);

    /**
     * One block with importance, whose weight of the block's first value is {@code importance[weightsFrom]}.
     *
     * @param rowMeanSquare 0 where {@link #rowMeanSquare} is not overridden
     */
    abstract void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to);

    /** The mean of the row's squares, for types that weigh each block's values by it. */
    float rowMeanSquare(float[] row, int from, int length) {
        return 0;
    }

    /** The sum of squares, added in order. */
    static float sumOfSquares(float[] x, int from, int length) {
        float sum = 0;
        for (int i = 0; i < length; i++) {
            sum += x[from + i] * x[from + i];
        }
        return sum;
    }

    /** {@code weights[i] = importance x sqrt(sigma2 + x^2)}: ggml's weight of a value under an importance matrix. */
    static void weigh(
            float[] x, int from, int length, float[] importance, int weightsFrom, float sigma2, float[] weights) {
        for (int i = 0; i < length; i++) {
            float value = x[from + i];
            weights[i] = importance[weightsFrom + i] * (float) Math.sqrt(sigma2 + value * value);
        }
    }
}
