package dev.quern.importance;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What llama-imatrix --show-statistics tells of an importance matrix (llama.cpp, tools/imatrix). */
public final class ImportanceStatistics {
    /** Columns whose mean square is not above it count as dormant. */
    private static final double DORMANT = 1e-5;

    private static final Pattern LAYER = Pattern.compile("blk\\.(\\d+)\\.");

    private ImportanceStatistics() {}

    /**
     * Of one tensor's mean squares.
     *
     * @param layer its block, or -1
     * @param part its name without block and ".weight"
     * @param deviation of the values around their mean, all of them taken
     * @param active share above 1e-5
     * @param entropy of the values as shares of their sum, bits
     * @param evenness the entropy as a share of what equal values would have
     * @param outstanding share more than a standard deviation above the mean (arXiv 2406.17415, 3.1)
     * @param similarity cosine with the same tensor of the block before; 0 where there is none
     */
    public record OfTensor(
            String tensor,
            int layer,
            String part,
            double sum,
            double least,
            double most,
            double mean,
            double deviation,
            double active,
            long values,
            double entropy,
            double evenness,
            double outstanding,
            double similarity) {}

    /** Of a block: the tensors' figures, each weighted with its number of values. */
    public record OfLayer(int layer, double sum, double outstanding, double similarity) {}

    /** By part, in it the largest sum first. */
    public static List<OfTensor> tensors(ImportanceMatrix matrix) {
        List<OfTensor> all = new ArrayList<>();
        matrix.entries().forEach((name, entry) -> all.add(of(matrix, name, entry)));
        all.sort(Comparator.comparing(OfTensor::part)
                .thenComparing(Comparator.comparingDouble(OfTensor::sum).reversed()));
        return all;
    }

    public static List<OfLayer> layers(List<OfTensor> tensors) {
        SortedMap<Integer, List<OfTensor>> byLayer = new TreeMap<>();
        for (OfTensor tensor : tensors) {
            if (tensor.layer() >= 0) {
                byLayer.computeIfAbsent(tensor.layer(), layer -> new ArrayList<>())
                        .add(tensor);
            }
        }
        return byLayer.entrySet().stream().map(ImportanceStatistics::layer).toList();
    }

    private static OfLayer layer(Map.Entry<Integer, List<OfTensor>> layer) {
        double sum = 0;
        double outstanding = 0;
        double similarity = 0;
        long values = 0;
        for (OfTensor tensor : layer.getValue()) {
            sum += tensor.sum() * tensor.values();
            outstanding += tensor.outstanding() * tensor.values();
            similarity += tensor.similarity() * tensor.values();
            values += tensor.values();
        }
        return new OfLayer(layer.getKey(), sum / values, outstanding / values, similarity / values);
    }

    private static OfTensor of(ImportanceMatrix matrix, String name, ImportanceMatrix.Entry entry) {
        double sum = 0;
        double squares = 0;
        double least = Double.POSITIVE_INFINITY;
        double most = Double.NEGATIVE_INFINITY;
        long values = 0;
        long active = 0;
        for (float[] row : entry.values()) {
            for (float value : row) {
                sum += value;
                squares += (double) value * value;
                least = Math.min(least, value);
                most = Math.max(most, value);
                active += value > DORMANT ? 1 : 0;
                values++;
            }
        }
        double mean = sum / values;
        double deviation = Math.sqrt(Math.max(0, squares / values - mean * mean));
        double entropy = 0;
        long outstanding = 0;
        for (float[] row : entry.values()) {
            for (float value : row) {
                if (value > 0) {
                    entropy -= value / sum * Math.log(value / sum) / Math.log(2);
                }
                outstanding += deviation > 0 && (value - mean) / deviation > 1 ? 1 : 0;
            }
        }
        Matcher layer = LAYER.matcher(name);
        boolean inBlock = layer.find();
        return new OfTensor(
                name,
                inBlock ? Integer.parseInt(layer.group(1)) : -1,
                name.substring(inBlock ? layer.end() : 0).replaceFirst("\\.weight$", ""),
                sum,
                least,
                most,
                mean,
                deviation,
                (double) active / values,
                values,
                entropy,
                values > 1 ? entropy / (Math.log((double) values) / Math.log(2)) : 0,
                (double) outstanding / values,
                inBlock ? similarity(matrix, name, layer, entry) : 0);
    }

    private static double similarity(
            ImportanceMatrix matrix, String name, Matcher layer, ImportanceMatrix.Entry entry) {
        int before = Integer.parseInt(layer.group(1)) - 1;
        Optional<ImportanceMatrix.Entry> previous =
                matrix.entry(name.substring(0, layer.start(1)) + before + name.substring(layer.end(1)));
        if (previous.isEmpty()
                || previous.get().values().length != entry.values().length
                || previous.get().values()[0].length != entry.values()[0].length) {
            return 0;
        }
        double product = 0;
        double mine = 0;
        double its = 0;
        for (int row = 0; row < entry.values().length; row++) {
            float[] a = entry.values()[row];
            float[] b = previous.get().values()[row];
            for (int i = 0; i < a.length; i++) {
                product += (double) a[i] * b[i];
                mine += (double) a[i] * a[i];
                its += (double) b[i] * b[i];
            }
        }
        return mine > 0 && its > 0 ? product / Math.sqrt(mine * its) : 0;
    }
}
