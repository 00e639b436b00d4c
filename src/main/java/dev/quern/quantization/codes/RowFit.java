package dev.quern.quantization.codes;

import dev.quern.quantization.scalar.NonlinearCodes;

/**
 * The weighted least-squares search for one row's scales, minima and codes, aware of the rounding of all of them. Holds
 * scratch: one thread, one instance.
 */
public final class RowFit {
    private static final int ROUNDS = 2;

    private final CodeForm form;
    private final EvenFit even;
    private final OffsetFit offset;
    private final float[] wantedScales;
    private final float[] wantedMinima;
    private final byte[] bestScales;
    private final byte[] bestMinima;

    public RowFit(CodeForm form) {
        this.form = form;
        this.even = new EvenFit(form);
        this.offset = new OffsetFit(form);
        this.wantedScales = new float[form.groups()];
        this.wantedMinima = new float[form.groups()];
        this.bestScales = new byte[form.groups()];
        this.bestMinima = new byte[form.groups()];
    }

    /**
     * Fills {@code out}.
     *
     * @param x a row, from {@code from} on
     * @param w a positive weight for each of its values, from index 0
     */
    public void fit(float[] x, int from, float[] w, CodedRow out) {
        for (int block = 0; block < out.d().length; block++) {
            int at = from + block * form.block();
            int wAt = block * form.block();
            if (form.hasMinima()) {
                if (form.hasGroupScales()) {
                    offsetGroups(x, at, w, wAt, out, block);
                } else {
                    offsetBlock(x, at, w, wAt, out, block);
                }
            } else if (form.hasGroupScales()) {
                evenGroups(x, at, w, wAt, out, block);
            } else {
                evenBlock(x, at, w, wAt, out, block);
            }
            chooseCodes(x, at, out, block);
        }
    }

    /** The nearest codes for the scales that a block has. */
    private void chooseCodes(float[] x, int at, CodedRow out, int block) {
        for (int group = 0; group < form.groups(); group++) {
            int index = block * form.groups() + group;
            float scale = form.hasGroupScales() ? out.d()[block] * out.scales()[index] : out.d()[block];
            float minimum = !form.hasMinima()
                    ? 0
                    : form.hasGroupScales() ? out.dmin()[block] * out.minima()[index] : out.dmin()[block];
            int first = group * form.group();
            for (int i = first; i < first + form.group(); i++) {
                out.codes()[block * form.block() + i] = (byte) code(x[at + i] + minimum, scale);
            }
        }
    }

    private int code(float value, float scale) {
        if (scale == 0) {
            return form.isUneven() ? NonlinearCodes.nearest(0) : form.centre();
        }
        if (form.isUneven()) {
            return NonlinearCodes.nearest(value / scale);
        }
        return Math.clamp((int) Math.rint(value / scale) + form.centre(), form.lowestCode(), form.highestCode());
    }

    /** The best of a scale's neighbours in F16. */
    private void evenBlock(float[] x, int at, float[] w, int wAt, CodedRow out, int block) {
        out.scales()[block] = 1;
        float scale = even.scale(x, at, w, wAt);
        float best = -1;
        for (int ulp = -1; ulp <= 1; ulp++) {
            float near = half(scale, ulp);
            float gain = even.gain(x, at, w, wAt, near);
            if (gain > best) {
                best = gain;
                out.d()[block] = near;
            }
        }
    }

    private void offsetBlock(float[] x, int at, float[] w, int wAt, CodedRow out, int block) {
        out.scales()[block] = 1;
        out.minima()[block] = 1;
        offset.fit(x, at, w, wAt);
        float best = Float.POSITIVE_INFINITY;
        for (int scaleUlp = -1; scaleUlp <= 1; scaleUlp++) {
            for (int minimumUlp = -1; minimumUlp <= 1; minimumUlp++) {
                float scale = half(offset.scale(), scaleUlp);
                float minimum = half(offset.minimum(), minimumUlp);
                float error = offset.error(x, at, w, wAt, scale, minimum);
                if (error < best) {
                    best = error;
                    out.d()[block] = scale;
                    out.dmin()[block] = minimum;
                }
            }
        }
    }

    /** A value that F16 holds: the nearest, or so many steps from it. */
    private static float half(float value, int ulps) {
        short nearest = Float.floatToFloat16(value);
        float moved = Float.float16ToFloat((short) (nearest + ulps));
        return Float.isFinite(moved) && (value >= 0) == (moved >= 0) ? moved : Float.float16ToFloat(nearest);
    }

    private void evenGroups(float[] x, int at, float[] w, int wAt, CodedRow out, int block) {
        float top = 0;
        for (int group = 0; group < form.groups(); group++) {
            wantedScales[group] = even.scale(x, at + group * form.group(), w, wAt + group * form.group());
            top = Math.abs(wantedScales[group]) > Math.abs(top) ? wantedScales[group] : top;
        }
        if (top == 0) {
            return;
        }
        float bestGain = -1;
        int extreme = -form.lowestScale();
        // The largest scale takes the end of the range, or a place near it where the others are met better.
        for (int trial = 0; trial < 8; trial++) {
            float by = extreme * (1 - 0.02f * (trial / 2)) - trial % 2;
            float d = half(top / (trial % 2 == 0 ? -by : by), 0);
            float gain = roundScales(x, at, w, wAt, d, out, block, 0);
            if (gain > bestGain) {
                bestGain = gain;
                out.d()[block] = d;
            }
        }
        float best = roundScales(x, at, w, wAt, out.d()[block], out, block, 1);
        for (int round = 0; round < ROUNDS; round++) {
            float d = half(leastSquaresFactor(x, at, w, wAt, out, block), 0);
            System.arraycopy(out.scales(), block * form.groups(), bestScales, 0, form.groups());
            float gain = d == 0 ? -1 : roundScales(x, at, w, wAt, d, out, block, 1);
            if (gain <= best) {
                System.arraycopy(bestScales, 0, out.scales(), block * form.groups(), form.groups());
                break;
            }
            best = gain;
            out.d()[block] = d;
        }
    }

    /** Gives each group the integer scale that does best within {@code around} of the nearest; returns what is gained. */
    private float roundScales(float[] x, int at, float[] w, int wAt, float d, CodedRow out, int block, int around) {
        float total = 0;
        for (int group = 0; group < form.groups(); group++) {
            int nearest = d == 0 ? 0 : (int) Math.rint(wantedScales[group] / d);
            float best = Float.NEGATIVE_INFINITY;
            for (int scale = nearest - around; scale <= nearest + around; scale++) {
                int inside = Math.clamp(scale, form.lowestScale(), form.highestScale());
                float gain = even.gain(x, at + group * form.group(), w, wAt + group * form.group(), d * inside);
                if (gain > best) {
                    best = gain;
                    out.scales()[block * form.groups() + group] = (byte) inside;
                }
            }
            total += best;
        }
        return total;
    }

    private float leastSquaresFactor(float[] x, int at, float[] w, int wAt, CodedRow out, int block) {
        float products = 0;
        float squares = 0;
        for (int group = 0; group < form.groups(); group++) {
            float scale = out.scales()[block * form.groups() + group];
            if (scale != 0) {
                even.gain(x, at + group * form.group(), w, wAt + group * form.group(), out.d()[block] * scale);
                products += scale * even.products();
                squares += scale * scale * even.squares();
            }
        }
        return squares > 0 ? products / squares : 0;
    }

    private void offsetGroups(float[] x, int at, float[] w, int wAt, CodedRow out, int block) {
        float topScale = 0;
        float topMinimum = 0;
        for (int group = 0; group < form.groups(); group++) {
            offset.fit(x, at + group * form.group(), w, wAt + group * form.group());
            wantedScales[group] = offset.scale();
            wantedMinima[group] = offset.minimum();
            topScale = Math.max(topScale, offset.scale());
            topMinimum = Math.max(topMinimum, offset.minimum());
        }
        float best = Float.POSITIVE_INFINITY;
        float bestD = 0;
        float bestDmin = 0;
        int trials = form.highestScale() < 63 ? 3 : 1;
        for (int scaleTrial = 0; scaleTrial < trials; scaleTrial++) {
            for (int minimumTrial = 0; minimumTrial < trials; minimumTrial++) {
                float d = half(topScale / (form.highestScale() - 0.75f * scaleTrial), 0);
                float dmin = half(topMinimum / (form.highestMinimum() - 0.75f * minimumTrial), 0);
                float error = roundPairs(x, at, w, wAt, d, dmin, out, block, 0, best);
                if (error < best) {
                    best = error;
                    bestD = d;
                    bestDmin = dmin;
                }
            }
        }
        out.d()[block] = bestD;
        out.dmin()[block] = bestDmin;
        best = roundPairs(x, at, w, wAt, bestD, bestDmin, out, block, 1, Float.POSITIVE_INFINITY);
        for (int round = 0; round < ROUNDS; round++) {
            System.arraycopy(out.scales(), block * form.groups(), bestScales, 0, form.groups());
            System.arraycopy(out.minima(), block * form.groups(), bestMinima, 0, form.groups());
            float[] factors = leastSquaresFactors(x, at, w, wAt, out, block);
            float d = half(factors[0], 0);
            float dmin = half(factors[1], 0);
            float error = d > 0 && dmin >= 0
                    ? roundPairs(x, at, w, wAt, d, dmin, out, block, 1, Float.POSITIVE_INFINITY)
                    : Float.POSITIVE_INFINITY;
            if (error >= best) {
                System.arraycopy(bestScales, 0, out.scales(), block * form.groups(), form.groups());
                System.arraycopy(bestMinima, 0, out.minima(), block * form.groups(), form.groups());
                break;
            }
            best = error;
            out.d()[block] = d;
            out.dmin()[block] = dmin;
        }
    }

    /**
     * Gives each group the integers that do best within {@code around} of the nearest.
     *
     * @param most an error beyond which nobody wants to know
     * @return the block's error
     */
    private float roundPairs(
            float[] x,
            int at,
            float[] w,
            int wAt,
            float d,
            float dmin,
            CodedRow out,
            int block,
            int around,
            float most) {
        float total = 0;
        for (int group = 0; group < form.groups() && total < most; group++) {
            int first = group * form.group();
            int scaleNear = d == 0 ? 0 : (int) Math.rint(wantedScales[group] / d);
            int minimumNear = dmin == 0 ? 0 : (int) Math.rint(wantedMinima[group] / dmin);
            float best = Float.POSITIVE_INFINITY;
            for (int i = -around; i <= around; i++) {
                int scale = Math.clamp(scaleNear + i, 0, form.highestScale());
                for (int k = -around; k <= around; k++) {
                    int minimum = Math.clamp(minimumNear + k, 0, form.highestMinimum());
                    float error = offset.error(x, at + first, w, wAt + first, d * scale, dmin * minimum);
                    if (error < best) {
                        best = error;
                        out.scales()[block * form.groups() + group] = (byte) scale;
                        out.minima()[block * form.groups() + group] = (byte) minimum;
                    }
                }
            }
            total += best;
        }
        return total;
    }

    /** The best d and dmin for the codes and integers that are. */
    private float[] leastSquaresFactors(float[] x, int at, float[] w, int wAt, CodedRow out, int block) {
        double a = 0;
        double b = 0;
        double c = 0;
        double p = 0;
        double q = 0;
        for (int group = 0; group < form.groups(); group++) {
            int first = group * form.group();
            double scale = out.scales()[block * form.groups() + group];
            double minimum = out.minima()[block * form.groups() + group];
            float[] sums = offset.sums(x, at + first, w, wAt + first, (float) (out.d()[block] * scale), (float)
                    (out.dmin()[block] * minimum));
            float[] moments = offset.moments(x, at + first, w, wAt + first);
            a += scale * scale * sums[1];
            b += scale * minimum * sums[0];
            c += minimum * minimum * moments[0];
            p += scale * sums[2];
            q -= minimum * moments[1];
        }
        double determinant = a * c - b * b;
        if (determinant <= 1e-12 * a * c || determinant <= 0) {
            return new float[] {a > 0 ? (float) (p / a) : 0, 0};
        }
        return new float[] {(float) ((p * c + b * q) / determinant), (float) ((a * q + b * p) / determinant)};
    }
}
