package dev.quern.quantization;

import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.scalar.NonlinearCodes;

/**
 * The search for scales, minima and codes in plain loops and at any price: every trial on a fine grid, every neighbour
 * among the integers and in F16. What {@link dev.quern.quantization.codes.RowFit} does quickly must come near to it.
 */
final class ExhaustiveSearch {
    private final CodeForm form;
    private final int low;
    private final int high;

    ExhaustiveSearch(CodeForm form) {
        this.form = form;
        this.low = (int) form.level(form.lowestCode());
        this.high = (int) form.level(form.highestCode());
    }

    /** The weighted squared error of a row's best blocks. */
    double error(float[] x, double[] w) {
        double total = 0;
        for (int at = 0; at < x.length; at += form.block()) {
            total += form.hasMinima() ? offsetBlock(x, w, at) : evenBlock(x, w, at);
        }
        return total;
    }

    private double level(double scaled) {
        return form.isUneven()
                ? NonlinearCodes.level(NonlinearCodes.nearest((float) scaled))
                : Math.clamp(Math.rint(scaled), low, high);
    }

    private double evenError(float[] x, double[] w, int at, double scale) {
        double error = 0;
        for (int i = at; i < at + form.group(); i++) {
            double left = x[i] - (scale == 0 ? 0 : scale * level(x[i] / scale));
            error += w[i] * left * left;
        }
        return error;
    }

    private double leastSquares(float[] x, double[] w, int at, double inverse) {
        double products = 0;
        double squares = 0;
        for (int i = at; i < at + form.group(); i++) {
            double level = level(x[i] * inverse);
            products += w[i] * level * x[i];
            squares += w[i] * level * level;
        }
        return squares > 0 ? products / squares : 0;
    }

    private double evenScale(float[] x, double[] w, int at) {
        double magnitude = 0;
        for (int i = at; i < at + form.group(); i++) {
            magnitude = Math.max(magnitude, Math.abs(x[i]));
        }
        if (magnitude < 1e-15) {
            return 0;
        }
        double extreme = Math.max(-low, high);
        double span = form.isUneven() || extreme <= 8 ? 0.6 : extreme <= 16 ? 0.4 : extreme <= 32 ? 0.25 : 0.14;
        int steps = form.isUneven() || extreme <= 16 ? 36 : 20;
        double best = Double.POSITIVE_INFINITY;
        double found = 0;
        for (int i = 0; i < steps; i++) {
            double inverse = extreme * (1.1 - i * span / steps) / magnitude;
            for (double signed : low == -high ? new double[] {inverse} : new double[] {inverse, -inverse}) {
                double scale = leastSquares(x, w, at, signed);
                double error = evenError(x, w, at, scale);
                if (error < best) {
                    best = error;
                    found = scale;
                }
            }
        }
        return found;
    }

    private double evenBlock(float[] x, double[] w, int at) {
        double[] wanted = new double[form.groups()];
        double top = 0;
        for (int group = 0; group < form.groups(); group++) {
            wanted[group] = evenScale(x, w, at + group * form.group());
            top = Math.abs(wanted[group]) > Math.abs(top) ? wanted[group] : top;
        }
        double best = Double.POSITIVE_INFINITY;
        if (!form.hasGroupScales()) {
            for (int ulp = -1; ulp <= 1; ulp++) {
                best = Math.min(best, evenError(x, w, at, half(top, ulp)));
            }
            return best;
        }
        for (int trial = 0; trial < 8; trial++) {
            double end = trial % 2 == 0 ? form.lowestScale() : form.highestScale();
            best = Math.min(best, evenGroups(x, w, at, wanted, half(top / (end * (1 - 0.02 * (trial / 2))), 0)));
        }
        return best;
    }

    private double evenGroups(float[] x, double[] w, int at, double[] wanted, double d) {
        double total = 0;
        for (int group = 0; group < wanted.length; group++) {
            double best = Double.POSITIVE_INFINITY;
            for (int aside = -1; aside <= 1; aside++) {
                double near = d == 0 ? 0 : Math.rint(wanted[group] / d) + aside;
                double scale = d * Math.clamp(near, form.lowestScale(), form.highestScale());
                best = Math.min(best, evenError(x, w, at + group * form.group(), scale));
            }
            total += best;
        }
        return total;
    }

    private double offsetError(float[] x, double[] w, int at, double scale, double minimum) {
        double error = 0;
        for (int i = at; i < at + form.group(); i++) {
            double level = scale == 0 ? 0 : Math.clamp(Math.rint((x[i] + minimum) / scale), 0, high);
            double left = x[i] + minimum - scale * level;
            error += w[i] * left * left;
        }
        return error;
    }

    /** Scale and minimum. */
    private double[] offsetFit(float[] x, double[] w, int at) {
        double least = form.hasGroupScales() ? 0 : x[at];
        double most = x[at];
        for (int i = at; i < at + form.group(); i++) {
            least = Math.min(least, x[i]);
            most = Math.max(most, x[i]);
        }
        double[] found = {0, -least};
        if (most - least < 1e-15) {
            return found;
        }
        double best = Double.POSITIVE_INFINITY;
        for (int trial = 0; trial < 3 * 24; trial++) {
            double from = least + trial / 24 * 0.25 * (most - least) / high;
            double inverse = (high - 0.8 + trial % 24 * (1.9 / 24)) / (most - from);
            double[] fitted = leastSquares(x, w, at, inverse, from);
            double error = fitted[0] > 0 ? offsetError(x, w, at, fitted[0], fitted[1]) : Double.POSITIVE_INFINITY;
            if (error < best) {
                best = error;
                found = fitted;
            }
        }
        return found;
    }

    private double[] leastSquares(float[] x, double[] w, int at, double inverse, double from) {
        double[] sums = new double[5];
        for (int i = at; i < at + form.group(); i++) {
            double level = Math.clamp(Math.rint((x[i] - from) * inverse), 0, high);
            sums[0] += w[i];
            sums[1] += w[i] * x[i];
            sums[2] += w[i] * level;
            sums[3] += w[i] * level * level;
            sums[4] += w[i] * level * x[i];
        }
        double determinant = sums[0] * sums[3] - sums[2] * sums[2];
        if (determinant <= 0) {
            return new double[2];
        }
        double scale = (sums[0] * sums[4] - sums[2] * sums[1]) / determinant;
        double minimum = (scale * sums[2] - sums[1]) / sums[0];
        return form.hasGroupScales() && minimum < 0
                ? new double[] {sums[3] > 0 ? sums[4] / sums[3] : 0, 0}
                : new double[] {scale, minimum};
    }

    private double offsetBlock(float[] x, double[] w, int at) {
        double[][] wanted = new double[form.groups()][];
        double topScale = 0;
        double topMinimum = 0;
        for (int group = 0; group < form.groups(); group++) {
            wanted[group] = offsetFit(x, w, at + group * form.group());
            topScale = Math.max(topScale, wanted[group][0]);
            topMinimum = Math.max(topMinimum, wanted[group][1]);
        }
        double best = Double.POSITIVE_INFINITY;
        int trials = form.hasGroupScales() && form.highestScale() == 63 ? 1 : 3;
        for (int trial = 0; trial < trials * trials; trial++) {
            if (form.hasGroupScales()) {
                double d = half(topScale / (form.highestScale() - 0.75 * (trial / trials)), 0);
                double dmin = half(topMinimum / (form.highestMinimum() - 0.75 * (trial % trials)), 0);
                best = Math.min(best, offsetGroups(x, w, at, wanted, d, dmin));
            } else {
                double scale = half(wanted[0][0], trial / 3 - 1);
                best = Math.min(best, offsetError(x, w, at, scale, half(wanted[0][1], trial % 3 - 1)));
            }
        }
        return best;
    }

    private double offsetGroups(float[] x, double[] w, int at, double[][] wanted, double d, double dmin) {
        double total = 0;
        for (int group = 0; group < wanted.length; group++) {
            double best = Double.POSITIVE_INFINITY;
            for (int aside = 0; aside < 9; aside++) {
                double scale = d == 0 ? 0 : Math.rint(wanted[group][0] / d) + aside / 3 - 1;
                double minimum = dmin == 0 ? 0 : Math.rint(wanted[group][1] / dmin) + aside % 3 - 1;
                scale = d * Math.clamp(scale, 0, form.highestScale());
                minimum = dmin * Math.clamp(minimum, 0, form.highestMinimum());
                best = Math.min(best, offsetError(x, w, at + group * form.group(), scale, minimum));
            }
            total += best;
        }
        return total;
    }

    private static double half(double value, int ulps) {
        return Float.float16ToFloat((short) (Float.floatToFloat16((float) value) + ulps));
    }
}
