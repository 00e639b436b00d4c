package dev.quern.compensation;

import dev.quern.quantization.codes.LatticeForm;
import dev.quern.quantization.lattice.Grid;
import java.util.Arrays;

/**
 * Points and signs whose eight values are near to wanted ones, by a metric of the eight. Signs are those of what is
 * wanted, but for the least of them where a minus too much is not allowed. Under these signs a point of eight coordinates
 * is the nearest of all; of two points of four each is chosen twice, beside what the other then is, so that the second is
 * the nearest beside the first. (Also trying other signs for the second least, and for the third, made errors of layers
 * 1 % smaller, for twice and three times the search where the number of minus signs is odd.)
 */
final class ClosestPoint {
    private static final int COUNT = LatticeForm.SIGNS;

    private final LatticeForm form;
    private final int dimension;
    private final int size;

    /** All points' first coordinates, then their second ones, and so on. */
    private final float[] coordinates;

    // What is wanted, in units of the scale: magnitudes, signs, and the metric with these taken into it.
    private final float[] magnitude = new float[COUNT];
    private final float[] sign = new float[COUNT];
    private final float[] signed = new float[COUNT * COUNT];
    private final float[] point = new float[COUNT];
    private final float[] coefficients = new float[PointLanes.EIGHT];

    ClosestPoint(LatticeForm form) {
        this.form = form;
        Grid grid = form.grid();
        this.dimension = grid.dimension();
        this.size = grid.size();
        this.coordinates = new float[dimension * size];
        for (int i = 0; i < dimension; i++) {
            for (int p = 0; p < size; p++) {
                coordinates[i * size + p] = grid.value(p, i);
            }
        }
    }

    /**
     * @param metric symmetric and positive, 8 by 8
     * @param wanted eight values
     * @param scale of the levels; 0 makes all values 0
     * @param chosen receives eight values from {@code at} on
     */
    void choose(float[] metric, float[] wanted, float scale, float[] chosen, int at) {
        if (scale == 0) {
            Arrays.fill(chosen, at, at + COUNT, 0);
            return;
        }
        split(metric, wanted, 1 / scale);
        for (int i = 0; i < COUNT; i++) {
            for (int j = 0; j < COUNT; j++) {
                signed[i * COUNT + j] = metric[i * COUNT + j] * sign[i] * sign[j];
            }
        }
        System.arraycopy(magnitude, 0, point, 0, COUNT);
        if (dimension == COUNT) {
            choose(0);
        } else {
            for (int turn = 0; turn < 4; turn++) {
                choose(turn % 2 * dimension);
            }
        }
        for (int i = 0; i < COUNT; i++) {
            chosen[at + i] = scale * sign[i] * point[i];
        }
    }

    /** Where the number of minus signs has to be even, the value that matters least may get the wrong one. */
    private void split(float[] metric, float[] wanted, float inverse) {
        boolean odd = false;
        int least = 0;
        float smallest = Float.POSITIVE_INFINITY;
        for (int i = 0; i < COUNT; i++) {
            float value = wanted[i] * inverse;
            boolean minus = value < 0;
            odd ^= minus;
            sign[i] = minus ? -1 : 1;
            magnitude[i] = Math.abs(value);
            float loss = metric[i * COUNT + i] * value * value;
            if (loss < smallest) {
                smallest = loss;
                least = i;
            }
        }
        if (odd && form.hasEvenSigns()) {
            sign[least] = -sign[least];
            magnitude[least] = -magnitude[least];
        }
    }

    /** The best point for the coordinates from {@code first} on, the others being what they are. */
    private void choose(int first) {
        int at = 0;
        for (int i = first; i < first + dimension; i++) {
            float sum = 0;
            for (int j = 0; j < COUNT; j++) {
                boolean own = j >= first && j < first + dimension;
                sum += signed[i * COUNT + j] * (own ? magnitude[j] : magnitude[j] - point[j]);
            }
            coefficients[at++] = -2 * sum;
            for (int j = first; j < i; j++) {
                coefficients[at++] = 2 * signed[i * COUNT + j];
            }
            coefficients[at++] = signed[i * COUNT + i];
        }
        int found = dimension == COUNT
                ? PointLanes.eight(coordinates, size, coefficients)
                : PointLanes.four(coordinates, size, coefficients);
        for (int i = 0; i < dimension; i++) {
            point[first + i] = coordinates[i * size + found];
        }
    }
}
