package dev.quern.compensation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.InMemory;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.LatticeForm;
import dev.quern.quantization.codes.ScaledForm;
import dev.quern.quantization.codes.SearchCodec;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Codes chosen together against codes chosen alone, by the errors of what a layer computes. */
class LayerCodesTest {
    private static final double DAMPING = 0.03;

    private record Weights(TensorSource source, float[][] values) {
        static Weights of(float[][] values) {
            return new Weights(InMemory.matrix(values), values);
        }

        static Weights random(int rows, int width, long seed) {
            Random random = new Random(seed);
            float[][] values = new float[rows][width];
            for (float[] row : values) {
                for (int i = 0; i < width; i++) {
                    row[i] = (float) (random.nextGaussian() * 0.05);
                }
            }
            return of(values);
        }
    }

    @SuppressWarnings("ReferenceEquality") // One input with itself, or two.
    private static ProductSums sums(float[][] left, float[][] right, Workers workers) {
        ProductSums sums = left == right
                ? ProductSums.moments(right[0].length)
                : ProductSums.products(left[0].length, right[0].length);
        sums.add(Inputs.packed(left), 0, Inputs.packed(right), 0, right.length, workers);
        return sums;
    }

    private static byte[] quantize(
            Weights weights, int first, int rows, ScaledForm form, float[][] inputs, int sweeps, int threads) {
        try (Workers workers = new Workers(threads, "test")) {
            LayerCodes codes = LayerCodes.of(
                    sums(inputs, inputs, workers),
                    Optional.empty(),
                    Optional.empty(),
                    DAMPING,
                    sweeps,
                    form.together(),
                    workers);
            int bytes = Math.toIntExact(form.type().bytesFor(weights.values[0].length)) * rows;
            byte[] out = new byte[bytes + 5];
            Arrays.fill(out, (byte) 0x5a);
            codes.quantize(weights.source, first, rows, form, out, 2);
            assertThat(new byte[] {out[0], out[1], out[bytes + 2], out[bytes + 3], out[bytes + 4]})
                    .containsOnly((byte) 0x5a);
            return Arrays.copyOfRange(out, 2, 2 + bytes);
        }
    }

    private static byte[] alone(BlockCodec codec, Weights weights, float[] importance) {
        int width = importance.length;
        int rowBytes = Math.toIntExact(codec.type().bytesFor(width));
        byte[] out = new byte[rowBytes * weights.values.length];
        for (int row = 0; row < weights.values.length; row++) {
            codec.quantize(weights.values[row], 0, width, importance, out, row * rowBytes);
        }
        return out;
    }

    /** The damped moments of a token, in double. */
    private static double[][] moments(float[][] inputs) {
        double[][] moments = Inputs.products(inputs, inputs);
        double mean = 0;
        for (int i = 0; i < moments.length; i++) {
            mean += moments[i][i] / moments.length;
        }
        for (int i = 0; i < moments.length; i++) {
            moments[i][i] += DAMPING * (mean > 0 ? mean : inputs.length);
            for (int j = 0; j < moments.length; j++) {
                moments[i][j] /= inputs.length;
            }
        }
        return moments;
    }

    private static float[] diagonal(double[][] matrix) {
        float[] out = new float[matrix.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) matrix[i][i];
        }
        return out;
    }

    /** {@code Σ e H eᵀ} over all rows, from what decoders make of the blocks. */
    private static double error(ScaledForm form, byte[] blocks, Weights weights, double[][] moments) {
        int width = moments.length;
        float[] decoded = new float[weights.values.length * width];
        Codecs.decoder(form.type()).decode(MemorySegment.ofArray(blocks), 0, decoded.length, decoded, 0);
        double sum = 0;
        double[] e = new double[width];
        for (int row = 0; row < weights.values.length; row++) {
            for (int i = 0; i < width; i++) {
                e[i] = (double) weights.values[row][i] - decoded[row * width + i];
            }
            for (int i = 0; i < width; i++) {
                double inner = 0;
                for (int j = 0; j < width; j++) {
                    inner += moments[i][j] * e[j];
                }
                sum += e[i] * inner;
            }
        }
        return sum;
    }

    private static int[] widths(ScaledForm form) {
        return form.hasGroupScales() ? new int[] {256, 768} : new int[] {32, 96, 256, 320};
    }

    @ParameterizedTest
    @EnumSource
    void errorsAreSmallerThanWhenChosenAlone(CodeForm form) {
        errorsAreSmallerThanWhenChosenAlone(
                form, 0.8, Codecs.create(form.type(), Kernel.SIMD), new SearchCodec(form, Codecs.decoder(form.type())));
    }

    @ParameterizedTest
    @EnumSource
    void errorsAreSmallerThanWhenChosenAlone(LatticeForm form) {
        errorsAreSmallerThanWhenChosenAlone(form, 0.3, Codecs.create(form.type(), Kernel.SIMD));
    }

    /** Also that more passes of the descent never make it worse. */
    private static void errorsAreSmallerThanWhenChosenAlone(ScaledForm form, double part, BlockCodec... others) {
        for (int width : widths(form)) {
            Weights weights = Weights.random(24, width, 11);
            float[][] inputs = Inputs.correlated(width + 64, width, 12);
            double[][] moments = moments(inputs);
            double last = Double.POSITIVE_INFINITY;
            for (int sweeps : new int[] {0, 1, 2, 4}) {
                double found = error(form, quantize(weights, 0, 24, form, inputs, sweeps, 1), weights, moments);
                assertThat(found)
                        .as("%s, width %d, %d sweeps", form, width, sweeps)
                        .isLessThanOrEqualTo(last * (1 + 1e-5));
                last = found;
            }
            for (BlockCodec other : others) {
                double alone = error(form, alone(other, weights, diagonal(moments)), weights, moments);
                assertThat(last).as("%s, width %d", form, width).isLessThan(part * alone);
            }
        }
    }

    /** A row's blocks follow from the row and the moments alone: not from its tile, nor from the threads. */
    @ParameterizedTest
    @CsvSource({"Q4_0,96", "Q5_1,32", "Q4_K,256", "Q3_K,256", "Q6_K,512", "IQ4_XS,256"})
    void rowsAreIndependent(CodeForm form, int width) {
        rowsAreIndependent((ScaledForm) form, width);
    }

    @ParameterizedTest
    @CsvSource({"IQ2_XXS,256", "IQ2_S,512", "IQ3_XXS,256", "IQ3_S,256"})
    void rowsAreIndependent(LatticeForm form, int width) {
        rowsAreIndependent((ScaledForm) form, width);
    }

    private static void rowsAreIndependent(ScaledForm form, int width) {
        float[][] values = Weights.random(130, width, 21).values;
        Arrays.fill(values[64], 0);
        Arrays.fill(values[3], 0, 32, 0);
        Weights weights = Weights.of(values);
        float[][] inputs = Inputs.correlated(100, width, 22);
        byte[] all = quantize(weights, 0, 130, form, inputs, 3, 1);
        assertThat(quantize(weights, 0, 130, form, inputs, 3, 2)).isEqualTo(all);
        int rowBytes = all.length / 130;
        for (int rows : new int[] {1, 63, 64, 65}) {
            for (int first : new int[] {0, 2, 65}) {
                assertThat(quantize(weights, first, rows, form, inputs, 3, 3))
                        .as("%d rows from %d", rows, first)
                        .isEqualTo(Arrays.copyOfRange(all, first * rowBytes, (first + rows) * rowBytes));
            }
        }
    }

    /** Columns that no token uses, rows of zeros, and inputs that are nothing at all. */
    @ParameterizedTest
    @EnumSource
    void nothingToGoBy(CodeForm form) {
        nothingToGoBy(form, new SearchCodec(form, Codecs.decoder(form.type())));
    }

    @ParameterizedTest
    @EnumSource
    void nothingToGoBy(LatticeForm form) {
        nothingToGoBy(form, Codecs.create(form.type(), Kernel.SIMD));
    }

    private static void nothingToGoBy(ScaledForm form, BlockCodec codec) {
        int width = 256;
        float[][] values = Weights.random(6, width, 31).values;
        Arrays.fill(values[2], 0);
        Weights weights = Weights.of(values);
        float[][] inputs = Inputs.correlated(200, width, 32);
        for (float[] row : inputs) {
            row[0] = 0;
            Arrays.fill(row, 40, 75, 0);
        }
        double[][] moments = moments(inputs);
        byte[] dead = quantize(weights, 0, 6, form, inputs, 4, 1);
        double reference = error(
                form, alone(Codecs.create(form.type(), Kernel.SIMD), weights, diagonal(moments)), weights, moments);
        assertThat(error(form, dead, weights, moments)).isLessThan(0.9 * reference);
        float[] decoded = new float[6 * width];
        Codecs.decoder(form.type()).decode(MemorySegment.ofArray(dead), 0, decoded.length, decoded, 0);
        for (int i = 2 * width; i < 3 * width; i++) {
            // Of either sign.
            assertThat(decoded[i] + 0f).isZero();
        }

        float[][] nothing = new float[20][width];
        byte[] blind = quantize(weights, 0, 6, form, nothing, 4, 1);
        double[][] identity = moments(nothing);
        double plain = error(form, alone(codec, weights, diagonal(identity)), weights, identity);
        assertThat(error(form, blind, weights, identity)).isLessThanOrEqualTo(plain * (1 + 1e-5));
    }

    /** What a layer aims at when the original's inputs are known is the regression's answer, as elimination finds it. */
    @ParameterizedTest
    @CsvSource({"32,false", "96,true", "256,true", "320,false", "320,true"})
    void targetsAreTheRegressions(int width, boolean states) {
        float[][] original = Inputs.correlated(3 * width, width, 41);
        float[][] quantized = Inputs.disturbed(original, 0.2, 42);
        int rows = 36;
        Weights weights = Weights.random(rows, width, 43);
        float[][] lacking = Inputs.correlated(3 * width, rows, 44);
        LayerMoments moments;
        try (Workers workers = new Workers(2, "test")) {
            moments = LayerMoments.of(
                    sums(quantized, quantized, workers),
                    Optional.of(sums(original, quantized, workers)),
                    states ? Optional.of(sums(lacking, quantized, workers)) : Optional.empty(),
                    DAMPING,
                    states ? 8 : 1,
                    workers);
        }
        assertThat(moments.damping()).isCloseTo(DAMPING, within(1e-12));
        float[] tile = new float[RowTile.ROWS * width];
        for (int row = 0; row < rows; row++) {
            RowTile.put(weights.values[row], 0, width, row, tile);
        }
        float[] target = new float[tile.length];
        moments.target(tile, 0, rows, target, new float[tile.length], new TriangularSolve(moments.factor()));

        double[][] cross = Inputs.products(original, quantized);
        double[][] square = Inputs.products(quantized, quantized);
        double[][] owed = Inputs.products(lacking, quantized);
        double mean = 0;
        for (int i = 0; i < width; i++) {
            mean += square[i][i] / width;
        }
        for (int i = 0; i < width; i++) {
            square[i][i] += DAMPING * mean;
            cross[i][i] += DAMPING * mean;
        }
        float[] found = new float[width];
        for (int row : new int[] {0, 1, 17, 35}) {
            double[] side = states ? owed[row].clone() : new double[width];
            for (int i = 0; i < width; i++) {
                for (int j = 0; j < width; j++) {
                    side[j] += weights.values[row][i] * cross[i][j];
                }
            }
            double[] expected = Inputs.solve(square, side);
            double size = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
            RowTile.get(target, row, width, found);
            for (int i = 0; i < width; i++) {
                assertThat((double) found[i]).isCloseTo(expected[i], within(1e-3 * size));
            }
        }
        RowTile.get(target, rows, width, found);
        assertThat(found).containsOnly(0f);
    }

    /** Fewer tokens than columns: the damping makes the matrix sound. Inputs that are no numbers make none. */
    @Test
    void dampingIsRaisedUntilTheMatrixIsSound() {
        float[][] few = Inputs.correlated(3, 64, 51);
        try (Workers workers = new Workers(1, "test")) {
            LayerMoments sound =
                    LayerMoments.of(sums(few, few, workers), Optional.empty(), Optional.empty(), 1e-9, 1, workers);
            assertThat(sound.damping()).isBetween(5e-9, 1e-2);
            float[][] broken = Inputs.correlated(40, 64, 52);
            broken[7][9] = Float.NaN;
            assertThatThrownBy(() -> LayerMoments.of(
                            sums(broken, broken, workers), Optional.empty(), Optional.empty(), DAMPING, 1, workers))
                    .isInstanceOf(ArithmeticException.class);
            broken[7][9] = Float.POSITIVE_INFINITY;
            assertThatThrownBy(() -> LayerMoments.of(
                            sums(broken, broken, workers), Optional.empty(), Optional.empty(), DAMPING, 1, workers))
                    .isInstanceOf(ArithmeticException.class);
        }
    }

    @Test
    void choicesAreReadAsTheyWereWritten() {
        Choice choice = new Choice(0.012345678, 1.5e-7, 0.875, 0.03);
        assertThat(choice.line()).isEqualTo("layer error 0.0123457 -> 1.50000e-07, kept 0.8750, damping 0.0300");
        assertThat(Choice.parse(choice.line())).contains(new Choice(0.0123457, 1.5e-7, 0.875, 0.03));
        assertThat(Choice.parse("search")).isEmpty();
        assertThat(Choice.parse("layer error 1 -> 2, kept 1")).isEmpty();
    }
}
