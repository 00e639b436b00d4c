package synthetic;

import java.nio.charset.StandardCharsets;

/**
 * Values of one tensor, drawn by position: element (row, column) depends on the seed, the tensor's name and the position
 * alone, so that any rectangle can be made by anyone, in any order.
 *
 * <p>A matrix is Gaussian with a deviation near 0.02 that differs from row to row and from column to column, and about
 * one column in 256 is several times larger, as in trained models. A norm lies around 0.5 and is positive.
 *
 * <p>Only operations whose results Java fixes are used (StrictMath, single-precision products), so a seed means the same
 * bytes on every machine.
 */
public final class Weights {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;
    private static final int QUANTILES = 1 << 16;
    private static final int LANES = 4;

    private final Tensor tensor;
    private final long key;
    private final float[] quantiles;
    private final float[] columnScale;

    /** @param quantiles {@link #gaussianQuantiles}, which all tensors share */
    public Weights(Tensor tensor, long seed, float[] quantiles) {
        this.tensor = tensor;
        this.key = mix(seed * GOLDEN_GAMMA ^ mix(hash(tensor.seedName())));
        this.quantiles = quantiles;
        this.columnScale = tensor.kind() == Tensor.Kind.MATRIX ? columnScales() : new float[0];
    }

    /**
     * Writes the elements of {@code row} from {@code firstColumn} on, {@code count} of them, to {@code out} and returns
     * the index in {@code out} where they begin (less than 4); {@code out} holds at least {@code count + 8} values.
     */
    public int row(int row, int firstColumn, int count, float[] out) {
        return switch (tensor.kind()) {
            case MATRIX -> {
                int skip = gaussians(row, firstColumn, count, out);
                scale(out, skip, columnScale, firstColumn, 0.85f + 0.3f * unit(mix(key ^ ~row)), count);
                yield skip;
            }
            case NORM -> {
                int skip = gaussians(row, firstColumn, count, out);
                for (int i = skip; i < skip + count; i++) {
                    out[i] = Math.max(0.02f, 0.5f + 0.1f * out[i]);
                }
                yield skip;
            }
            case ROPE_FREQS -> {
                int length = tensor.columns();
                for (int i = 0; i < count; i++) {
                    out[i] = (float) (1.0 / StrictMath.pow(Shape.ROPE_THETA, (double) (firstColumn + i) / length));
                }
                yield 0;
            }
        };
    }

    private int gaussians(int row, int firstColumn, int count, float[] out) {
        int skip = firstColumn % LANES;
        long perRow = Math.ceilDiv(tensor.columns(), LANES);
        gaussians(key, row * perRow + firstColumn / LANES, Math.ceilDiv(skip + count, LANES), quantiles, out);
        return skip;
    }

    /** One 64-bit hash gives four 16-bit indices into the quantiles. */
    private static void gaussians(long key, long first, int count, float[] quantiles, float[] out) {
        for (int i = 0; i < count; i++) {
            long bits = mix(key + (first + i) * GOLDEN_GAMMA);
            int at = i * LANES;
            out[at] = quantiles[(int) bits & 0xffff];
            out[at + 1] = quantiles[(int) (bits >>> 16) & 0xffff];
            out[at + 2] = quantiles[(int) (bits >>> 32) & 0xffff];
            out[at + 3] = quantiles[(int) (bits >>> 48)];
        }
    }

    private static void scale(float[] out, int at, float[] columns, int firstColumn, float rowScale, int count) {
        for (int i = 0; i < count; i++) {
            out[at + i] *= columns[firstColumn + i] * rowScale;
        }
    }

    private float[] columnScales() {
        float deviation = 0.02f * (0.75f + 0.5f * unit(mix(key + 1)));
        long columnKey = mix(key + 2);
        float[] scales = new float[tensor.columns()];
        for (int column = 0; column < scales.length; column++) {
            long bits = mix(columnKey + column * GOLDEN_GAMMA);
            float scale = 0.8f + 0.4f * unit(bits);
            boolean outlier = (bits & 0xff) == 0;
            scales[column] = deviation * (outlier ? scale * (2 + (bits >>> 8 & 3)) : scale);
        }
        return scales;
    }

    /** The middle of each of 65,536 equally likely slices of the standard normal distribution. */
    public static float[] gaussianQuantiles() {
        float[] quantiles = new float[QUANTILES];
        for (int i = 0; i < QUANTILES / 2; i++) {
            float value = (float) lowerQuantile((i + 0.5) / QUANTILES);
            quantiles[i] = value;
            quantiles[QUANTILES - 1 - i] = -value;
        }
        return quantiles;
    }

    /**
     * The standard normal distribution's quantile for p below one half: Abramowitz and Stegun 26.2.23, error below
     * 4.5e-4, which a made-up weight does not feel.
     */
    private static double lowerQuantile(double p) {
        double t = StrictMath.sqrt(-2 * StrictMath.log(p));
        return (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    }

    private static float unit(long bits) {
        return (bits >>> 40) * 0x1p-24f;
    }

    /** SplitMix64's finalizer: every bit of the result depends on every bit of the argument. */
    static long mix(long z) {
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }

    /** FNV-1a. */
    static long hash(String name) {
        long hash = 0xCBF29CE484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ b & 0xff) * 0x100000001B3L;
        }
        return hash;
    }
}
