package dev.quern.quantization.codes;

import dev.quern.quantization.RowCodec;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Encodes each row with the scales and codes of least weighted squared error that a search over all roundings finds;
 * the importance of a column is its weight, as it is. Not the bytes of ggml's quantizers.
 */
public final class SearchCodec extends RowCodec {
    /** A column that calibration never saw counts this part of the mean: its weight still wants some value. */
    private static final float LEAST = 1e-4f;

    private final CodeForm form;
    private final RowFit fit;
    private final RowDecoder decoder;
    private CodedRow coded;
    private float[] weights = new float[0];
    private float @Nullable [] weightsOf;

    /** @param decoder of the type */
    public SearchCodec(CodeForm form, RowDecoder decoder) {
        super(form.type());
        this.form = form;
        this.fit = new RowFit(form);
        this.decoder = decoder;
        this.coded = CodedRow.of(form, 0);
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // The rows of a matrix come with one array of weights.
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        if (coded.codes().length != length) {
            coded = CodedRow.of(form, length);
            weights = new float[length];
            weightsOf = null;
            Arrays.fill(weights, 1);
        }
        if (importance != weightsOf) {
            weigh(importance, length);
        }
        fit.fit(row, from, weights, coded);
        coded.write(out, to);
    }

    private void weigh(float @Nullable [] importance, int length) {
        weightsOf = importance;
        double sum = 0;
        for (int i = 0; i < length && importance != null; i++) {
            sum += importance[i];
        }
        if (importance == null || !(sum > 0)) {
            Arrays.fill(weights, 1);
            return;
        }
        // Of mean one: sums of them then stay in float's range whatever the activations' unit.
        double scale = length / sum;
        for (int i = 0; i < length; i++) {
            weights[i] = Math.max((float) (importance[i] * scale), LEAST);
        }
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        decoder.decode(blocks, at, count, out, to);
    }
}
