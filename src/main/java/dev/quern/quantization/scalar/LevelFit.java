package dev.quern.quantization.scalar;

/**
 * ggml's make_qp_quants: the scale with which whole numbers from 0 to a largest come nearest to weighted values. Levels
 * live in unsigned bytes there, so that a negative one, which a negative value gives, wraps; so it does here.
 */
public class LevelFit {
    private static final float NOTHING = 1e-15f;

    private final int length;
    private final int top;
    private final int[] level;

    protected LevelFit(int length, int top) {
        this.length = length;
        this.top = top;
        this.level = new int[length];
    }

    public final float scale(float[] x, float[] weight) {
        float largest = 0;
        for (int i = 0; i < length; i++) {
            largest = largest > x[i] ? largest : x[i];
        }
        if (largest < NOTHING) {
            return 0;
        }
        return refined(x, weight, bestInverse(x, weight, largest));
    }

    /** The inverse of the scale, of nine, with the smallest error. */
    protected float bestInverse(float[] x, float[] weight, float largest) {
        float best = top / largest;
        float smallest = firstError(x, weight, best);
        for (int step = -4; step <= 4; step++) {
            if (step == 0) {
                continue;
            }
            float inverse = (0.1f * step + top) / largest;
            float error = error(x, weight, inverse);
            if (error < smallest) {
                smallest = error;
                best = inverse;
            }
        }
        return best;
    }

    /** The error at the scale tried first, whose levels wrap. */
    protected final float firstError(float[] x, float[] weight, float inverse) {
        float scale = 1 / inverse;
        float error = 0;
        for (int i = 0; i < length; i++) {
            float difference = x[i] - scale * (Rounding.nearest(inverse * x[i]) & 0xff);
            error += weight[i] * difference * difference;
        }
        return error;
    }

    private float error(float[] x, float[] weight, float inverse) {
        float scale = 1 / inverse;
        float error = 0;
        for (int i = 0; i < length; i++) {
            int l = Math.min(Rounding.nearest(inverse * x[i]), top);
            float difference = x[i] - scale * l;
            error += weight[i] * difference * difference;
        }
        return error;
    }

    /** Moves single levels while that helps the fit, five rounds at most. */
    private float refined(float[] x, float[] weight, float inverse) {
        float sumXl = 0;
        float sumLl = 0;
        for (int i = 0; i < length; i++) {
            int l = Math.min(Rounding.nearest(inverse * x[i]), top);
            level[i] = l & 0xff;
            float w = weight[i];
            sumXl += w * x[i] * l;
            sumLl += w * l * l;
        }
        for (int round = 0; round < 5; round++) {
            boolean changed = false;
            for (int i = 0; i < length; i++) {
                float w = weight[i];
                float xl = sumXl - w * x[i] * level[i];
                float ll = sumLl - w * level[i] * level[i];
                if (xl > 0 && ll > 0) {
                    int l = Math.min(Rounding.nearest(x[i] * ll / xl), top);
                    if (l != level[i]) {
                        xl += w * x[i] * l;
                        ll += w * l * l;
                        if (xl * xl * sumLl > sumXl * sumXl * ll) {
                            level[i] = l & 0xff;
                            sumXl = xl;
                            sumLl = ll;
                            changed = true;
                        }
                    }
                }
            }
            if (!changed) {
                break;
            }
        }
        return sumLl > 0 ? sumXl / sumLl : 0;
    }
}
