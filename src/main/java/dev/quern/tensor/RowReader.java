package dev.quern.tensor;

/** Computes rows of a tensor; stateless, so that several threads may share one. */
@FunctionalInterface
public interface RowReader {
    /** Rows {@code first .. first + count - 1}, one after the other, into {@code out} from index {@code at} on. */
    void readRows(long first, int count, float[] out, int at);
}
