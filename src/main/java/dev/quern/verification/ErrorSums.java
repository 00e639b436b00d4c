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
        // Two of each sum: one alone would wait for its own last addition at every value.
        double differencesEven = 0;
        double differencesOdd = 0;
        double productsEven = 0;
        double productsOdd = 0;
        double sourceEven = 0;
        double sourceOdd = 0;
        double foundEven = 0;
        double foundOdd = 0;
        double most = largest;
        int mostAt = -1;
        int pairs = from + (count & ~1);
        for (int i = from; i < pairs; i += 2) {
            double wanted = source[i];
            double is = found[i];
            double difference = is - wanted;
            differencesEven += difference * difference;
            productsEven += wanted * is;
            sourceEven += wanted * wanted;
            foundEven += is * is;
            if (Math.abs(difference) > most) {
                most = Math.abs(difference);
                mostAt = i;
            }
            double nextWanted = source[i + 1];
            double nextIs = found[i + 1];
            double nextDifference = nextIs - nextWanted;
            differencesOdd += nextDifference * nextDifference;
            productsOdd += nextWanted * nextIs;
            sourceOdd += nextWanted * nextWanted;
            foundOdd += nextIs * nextIs;
            if (Math.abs(nextDifference) > most) {
                most = Math.abs(nextDifference);
                mostAt = i + 1;
            }
        }
        if (pairs < from + count) {
            double wanted = source[pairs];
            double is = found[pairs];
            double difference = is - wanted;
            differencesEven += difference * difference;
            productsEven += wanted * is;
            sourceEven += wanted * wanted;
            foundEven += is * is;
            if (Math.abs(difference) > most) {
                most = Math.abs(difference);
                mostAt = pairs;
            }
        }
        if (mostAt >= 0) {
            largest = most;
            largestAt = element + mostAt - from;
        }
        differences += differencesEven + differencesOdd;
        products += productsEven + productsOdd;
        sourceSquares += sourceEven + sourceOdd;
        foundSquares += foundEven + foundOdd;
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
