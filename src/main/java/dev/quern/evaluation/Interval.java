package dev.quern.evaluation;

/** The range that an estimate's true value lies in with the stated confidence. */
public record Interval(double low, double high) {
    /** Whether a value is out of the question. */
    public boolean excludes(double value) {
        return value < low || value > high;
    }
}
