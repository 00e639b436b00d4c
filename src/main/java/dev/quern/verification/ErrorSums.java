package dev.quern.verification;

/**
 * Sums over pairs of values, a source's and what a file has in its place, and the figures that come of them. Several are
 * kept where several threads add, and joined in a fixed order: the order of additions decides the last digits.
 */
public final class ErrorSums {
    private double differences;
    private double products;
    private double sourceSquares;
    private double foundSquares;
    private double largest;
    private long largestAt = -1;
    private long values;

    /**
     * Adds a run of values.
     *
     * @param from the run's first value in both arrays
     * @param element what the first value's place is called
     */
    public void add(float[] source, float[] found, int from, int count, long element) {
        // Local, so that the loop keeps them in registers.
        double differenceSum = 0;
        double productSum = 0;
        double sourceSum = 0;
        double foundSum = 0;
        double most = largest;
        int mostAt = -1;
        for (int i = from; i < from + count; i++) {
            double wanted = source[i];
            double is = found[i];
            double difference = is - wanted;
            differenceSum += difference * difference;
            productSum += wanted * is;
            sourceSum += wanted * wanted;
            foundSum += is * is;
            if (Math.abs(difference) > most) {
                most = Math.abs(difference);
                mostAt = i;
            }
        }
        if (mostAt >= 0) {
            largest = most;
            largestAt = element + mostAt - from;
        }
        differences += differenceSum;
        products += productSum;
        sourceSquares += sourceSum;
        foundSquares += foundSum;
        values += count;
    }

    /** Adds what others have summed of values behind these. */
    public void add(ErrorSums other) {
        differences += other.differences;
        products += other.products;
        sourceSquares += other.sourceSquares;
        foundSquares += other.foundSquares;
        values += other.values;
        if (other.largest > largest) {
            largest = other.largest;
            largestAt = other.largestAt;
        }
    }

    /** The sum of squared errors. */
    double squaredError() {
        return differences;
    }

    /** The sum of the source's squares. */
    double sourceSquares() {
        return sourceSquares;
    }

    /** Whether every value that was found is a number. */
    boolean isFinite() {
        return Double.isFinite(foundSquares);
    }

    /** Root of the mean squared error, in the values' own unit. */
    public double rmse() {
        return Math.sqrt(differences / Math.max(1, values));
    }

    /** The error relative to the source's norm; to one where the source is all zeros. */
    public double relativeError() {
        double norm = Math.sqrt(sourceSquares / Math.max(1, values));
        return norm == 0 ? rmse() : rmse() / norm;
    }

    /** The largest error, in the values' own unit. */
    public double largest() {
        return largest;
    }

    /** Where the largest error is; -1 when there is none. */
    long largestAt() {
        return largestAt;
    }

    /**
     * Of the angle between source and what was found. Equal values are at no angle, whatever rounding says; zeros are
     * at a right angle to everything else.
     */
    public double cosine() {
        if (differences == 0) {
            return 1;
        }
        double norms = Math.sqrt(sourceSquares) * Math.sqrt(foundSquares);
        return norms == 0 ? 0 : Math.clamp(products / norms, -1, 1);
    }
}
