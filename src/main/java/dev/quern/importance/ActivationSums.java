package dev.quern.importance;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a calibration has gathered: for each weight the squares of every input column's activations, summed over tokens,
 * and how many tokens there were. Sums of several runs add up; only on reading are they divided.
 */
public final class ActivationSums {
    /**
     * One weight's sums.
     *
     * @param sums a row for each matrix of the tensor (expert), a value for each input column: sum of x²
     * @param counts tokens that each matrix saw
     */
    @SuppressWarnings("ArrayRecordComponent")
    public record Entry(double[][] sums, long[] counts) {
        public Entry {
            if (sums.length != counts.length || sums.length == 0) {
                throw new IllegalArgumentException(sums.length + " rows, " + counts.length + " counts");
            }
        }

        public int columns() {
            return sums[0].length;
        }

        /** Means as the quantizer takes them: of sums and counts rounded to float, as files have them. */
        float[] means(int matrix) {
            float[] means = new float[columns()];
            for (int column = 0; column < means.length; column++) {
                means[column] = (float) sums[matrix][column] / counts[matrix];
            }
            return means;
        }

        private void add(Entry more) {
            for (int matrix = 0; matrix < sums.length; matrix++) {
                for (int column = 0; column < columns(); column++) {
                    sums[matrix][column] += more.sums[matrix][column];
                }
                counts[matrix] += more.counts[matrix];
            }
        }

        private Entry copy() {
            return new Entry(Arrays.stream(sums).map(double[]::clone).toArray(double[][]::new), counts.clone());
        }
    }

    private final TreeMap<String, Entry> entries = new TreeMap<>();
    private final List<String> datasets = new ArrayList<>();
    private final int window;

    /** @param window tokens in a chunk of text; chunks are counted in this */
    public ActivationSums(int window) {
        if (window < 1) {
            throw new IllegalArgumentException("windows of " + window + " tokens");
        }
        this.window = window;
    }

    /** By GGUF tensor name, sorted. */
    public SortedMap<String, Entry> entries() {
        return Collections.unmodifiableSortedMap(entries);
    }

    /** Calibration texts, as the user named them. */
    public List<String> datasets() {
        return Collections.unmodifiableList(datasets);
    }

    /** Tokens in a chunk. */
    public int window() {
        return window;
    }

    /** Chunks of text that went through the model: what the weight that saw most tokens saw. */
    public long chunks() {
        long most = 0;
        for (Entry entry : entries.values()) {
            for (long count : entry.counts()) {
                most = Math.max(most, count);
            }
        }
        return most / window;
    }

    public void addDataset(String name) {
        datasets.add(name);
    }

    /**
     * Adds what a weight of one matrix saw.
     *
     * @param squares a sum of x² for each column
     */
    public void add(String tensor, double[] squares, long count) {
        add("calibration", tensor, new Entry(new double[][] {squares.clone()}, new long[] {count}));
    }

    /**
     * Adds what a weight saw, of one matrix or of several.
     *
     * @param squares for each matrix a sum of x² for each column
     * @param counts tokens that each matrix saw
     */
    public void add(String tensor, double[][] squares, long[] counts) {
        add("calibration", tensor, new Entry(squares, counts));
    }

    /**
     * Adds another calibration's sums, and its texts.
     *
     * @param origin the other's name, for messages
     * @throws InputException when a weight has another shape there
     */
    public synchronized void add(String origin, ActivationSums more) {
        more.entries.forEach((name, entry) -> add(origin, name, entry));
        datasets.addAll(more.datasets);
    }

    void add(String origin, String name, Entry more) {
        Entry mine = entries.get(name);
        if (mine == null) {
            if (more.columns() == 0) {
                throw InputException.of(origin, "entry " + Quoted.of(name) + ": expected values, found none");
            }
            entries.put(name, more.copy());
        } else if (mine.sums().length != more.sums().length || mine.columns() != more.columns()) {
            throw InputException.of(
                            origin,
                            "entry " + Quoted.of(name) + ": expected " + described(mine) + ", found " + described(more))
                    .withHint("only calibrations of one model add up");
        } else {
            mine.add(more);
        }
    }

    private static String described(Entry entry) {
        return entry.sums().length + " x " + entry.columns() + " values";
    }

    /**
     * These sums as they are now, for another thread than the one that adds to them; what is added later does not change
     * the copy.
     */
    public synchronized ActivationSums copy() {
        ActivationSums copy = new ActivationSums(window);
        copy.add("copy", this);
        return copy;
    }

    /** The means that quantization weighs errors with; a matrix that saw no token has ones. */
    public ImportanceMatrix matrix() {
        return matrix(chunks());
    }

    ImportanceMatrix matrix(long chunks) {
        SequencedMap<String, ImportanceMatrix.Entry> means = new LinkedHashMap<>();
        entries.forEach((name, entry) -> {
            float[][] values = new float[entry.sums().length][];
            List<Integer> unseen = new ArrayList<>();
            for (int matrix = 0; matrix < values.length; matrix++) {
                if (entry.counts()[matrix] > 0) {
                    values[matrix] = entry.means(matrix);
                } else {
                    values[matrix] = new float[entry.columns()];
                    Arrays.fill(values[matrix], 1);
                    unseen.add(matrix);
                }
            }
            means.put(name, new ImportanceMatrix.Entry(values, unseen));
        });
        return new ImportanceMatrix(means, datasets, chunks);
    }
}
