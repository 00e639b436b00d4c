package dev.quern.report;

import dev.quern.evaluation.Divergence;
import dev.quern.evaluation.DivergenceEstimates;
import dev.quern.evaluation.Estimate;
import dev.quern.evaluation.Interval;
import dev.quern.evaluation.PairedDifference;
import dev.quern.evaluation.Percentiles;
import dev.quern.evaluation.Quantity;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A candidate beside its base, for people in the layout and to the digits of {@code llama-perplexity --kl-divergence},
 * so that what reads that reads this; for machines in full; and as the quantities that gates ask about.
 */
public final class DivergenceReport {
    /** The head of the running table. */
    public static final String RUNNING_HEAD =
            "chunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence"
                    + "              \u0394p RMS            Same top p";

    private static final List<Percentile> DIVERGENCES = List.of(
            new Percentile("99.9%", 0.999f, "p999"),
            new Percentile("99.0%", 0.99f, "p99"),
            new Percentile("95.0%", 0.95f, "p95"),
            new Percentile("90.0%", 0.9f, "p90"),
            Percentile.MEDIAN,
            new Percentile("10.0%", 0.1f, "p10"),
            new Percentile(" 5.0%", 0.05f, "p5"),
            new Percentile(" 1.0%", 0.01f, "p1"),
            new Percentile(" 0.1%", 0.001f, "p01"));

    private static final List<Percentile> CHANGES = List.of(
            new Percentile("99.9%", 0.999f, "p999"),
            new Percentile("99.0%", 0.99f, "p99"),
            new Percentile("95.0%", 0.95f, "p95"),
            new Percentile("90.0%", 0.9f, "p90"),
            new Percentile("75.0%", 0.75f, "p75"),
            Percentile.MEDIAN,
            new Percentile("25.0%", 0.25f, "p25"),
            new Percentile("10.0%", 0.1f, "p10"),
            new Percentile(" 5.0%", 0.05f, "p5"),
            new Percentile(" 1.0%", 0.01f, "p1"),
            new Percentile(" 0.1%", 0.001f, "p01"));

    private record Percentile(String label, float fraction, String key) {
        static final Percentile MEDIAN = new Percentile("Median", 0.5f, "median");

        float of(Percentiles values) {
            return equals(MEDIAN) ? values.median() : values.at(fraction);
        }
    }

    private DivergenceReport() {}

    /** A line of the running table: figures up to and with a window. */
    public static String running(int window, DivergenceEstimates now) {
        return String.format(
                Locale.ROOT,
                "%4d    %9.4f \u00b1 %9.4f    %10.5f \u00b1 %10.5f    %10.5f \u00b1 %10.5f    %6.3f \u00b1 %6.3f %%   "
                        + " %6.3f \u00b1 %6.3f %%",
                window,
                now.perplexity().value(),
                now.perplexity().error(),
                now.logRatio().value(),
                now.logRatio().error(),
                now.divergence().value(),
                now.divergence().error(),
                100 * now.rootMeanSquareChange().value(),
                100 * now.rootMeanSquareChange().error(),
                100 * now.sameTop().value(),
                100 * now.sameTop().error());
    }

    /** The three sections, in the peer's layout. */
    public static String text(Divergence divergence) {
        DivergenceEstimates e = divergence.estimates();
        StringBuilder out = new StringBuilder("====== Perplexity statistics ======\n");
        line(out, "Mean PPL(Q)                   : ", e.perplexity());
        line(out, "Mean PPL(base)                : ", e.basePerplexity());
        out.append(String.format(Locale.ROOT, "Cor(ln(PPL(Q)), ln(PPL(base))): %6.2f%%\n", 100 * e.correlation()));
        line(out, "Mean ln(PPL(Q)/PPL(base))     : ", e.logRatio());
        line(out, "Mean PPL(Q)/PPL(base)         : ", e.ratio());
        line(out, "Mean PPL(Q)-PPL(base)         : ", e.difference());
        out.append("\n====== KL divergence statistics ======\n");
        line(out, "Mean    KLD: ", e.divergence());
        Percentiles klds = divergence.divergences();
        out.append(String.format(Locale.ROOT, "Maximum KLD: %10.6f\n", klds.max()));
        for (Percentile percentile : DIVERGENCES) {
            out.append(String.format(Locale.ROOT, "%-7s KLD: %10.6f\n", percentile.label(), percentile.of(klds)));
        }
        out.append(String.format(Locale.ROOT, "Minimum KLD: %10.6f\n", klds.min()));
        out.append("\n====== Token probability statistics ======\n");
        Estimate mean = e.probabilityChange();
        out.append(String.format(
                Locale.ROOT, "Mean    \u0394p: %6.3f \u00b1 %5.3f %%\n", 100 * mean.value(), 100 * mean.error()));
        Percentiles changes = divergence.probabilityChanges();
        out.append(String.format(Locale.ROOT, "Maximum \u0394p: %6.3f%%\n", 100.0 * changes.max()));
        for (Percentile percentile : CHANGES) {
            out.append(String.format(
                    Locale.ROOT, "%-7s \u0394p: %6.3f%%\n", percentile.label(), 100.0 * percentile.of(changes)));
        }
        out.append(String.format(Locale.ROOT, "Minimum \u0394p: %6.3f%%\n", 100.0 * changes.min()));
        Estimate root = e.rootMeanSquareChange();
        out.append(String.format(
                Locale.ROOT, "RMS \u0394p    : %6.3f \u00b1 %5.3f %%\n", 100 * root.value(), 100 * root.error()));
        Estimate top = e.sameTop();
        out.append(String.format(
                Locale.ROOT, "Same top p: %6.3f \u00b1 %5.3f %%\n", 100 * top.value(), 100 * top.error()));
        return out.toString();
    }

    private static void line(StringBuilder out, String label, Estimate estimate) {
        out.append(label)
                .append(String.format(Locale.ROOT, "%10.6f \u00b1 %10.6f\n", estimate.value(), estimate.error()));
    }

    /** Which of two candidates is nearer, in a sentence. */
    public static String text(PairedDifference pair, List<String> names) {
        String nearer = names.get(pair.nearer());
        String other = names.get(pair.nearer() == pair.first() ? pair.second() : pair.first());
        String difference = String.format(Locale.ROOT, "KLD difference %.6f", Math.abs(pair.divergence()));
        return pair.divergenceInterval()
                .map(interval -> {
                    boolean swapped = pair.nearer() == pair.first();
                    double low = swapped ? -interval.high() : interval.low();
                    double high = swapped ? -interval.low() : interval.high();
                    return String.format(
                            Locale.ROOT,
                            "%s is nearer than %s: %s, 95 %% interval %.6f to %.6f: %s",
                            nearer,
                            other,
                            difference,
                            low,
                            high,
                            pair.certain() ? "certain" : "not certain");
                })
                .orElse(String.format(
                        Locale.ROOT,
                        "%s is nearer than %s: %s, too few windows to be certain",
                        nearer,
                        other,
                        difference));
    }

    /** Every figure under the name that a gate uses, and the spread of single positions. */
    public static Map<String, Object> map(Divergence divergence) {
        DivergenceEstimates e = divergence.estimates();
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("ppl", map(e.perplexity()));
        map.put("ppl_base", map(e.basePerplexity()));
        map.put("ln_ppl_correlation", e.correlation());
        map.put("ln_ppl_ratio", with(map(e.logRatio()), divergence.logRatioInterval()));
        map.put("ppl_ratio", map(e.ratio()));
        map.put("ppl_difference", map(e.difference()));
        Map<String, Object> kld = with(map(e.divergence()), divergence.divergenceInterval());
        percentiles(kld, divergence.divergences(), DIVERGENCES);
        map.put("kld", kld);
        Map<String, Object> change = map(e.probabilityChange());
        percentiles(change, divergence.probabilityChanges(), CHANGES);
        map.put("dp", change);
        map.put("rms_dp", map(e.rootMeanSquareChange()));
        map.put("same_top", map(e.sameTop()));
        map.put("tokens_scored", e.scored());
        return map;
    }

    private static Map<String, Object> map(Estimate estimate) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("value", estimate.value());
        map.put("error", estimate.error());
        return map;
    }

    private static Map<String, Object> with(Map<String, Object> map, Optional<Interval> interval) {
        map.put("interval_95", pair(interval));
        return map;
    }

    /** An interval as JSON has it: two numbers, or null. */
    public static @Nullable List<Double> pair(Optional<Interval> interval) {
        return interval.map(i -> List.of(i.low(), i.high())).orElse(null);
    }

    private static void percentiles(Map<String, Object> map, Percentiles values, List<Percentile> which) {
        map.put("max", values.max());
        for (Percentile percentile : which) {
            map.put(percentile.key(), percentile.of(values));
        }
        map.put("min", values.min());
    }

    /** @param bytes of the candidate's files */
    public static Map<Quantity, Double> quantities(Divergence divergence, long bytes) {
        DivergenceEstimates e = divergence.estimates();
        Percentiles klds = divergence.divergences();
        Map<Quantity, Double> map = new EnumMap<>(Quantity.class);
        map.put(Quantity.KLD, e.divergence().value());
        map.put(Quantity.KLD_MEDIAN, (double) klds.median());
        map.put(Quantity.KLD_P90, (double) klds.at(0.9f));
        map.put(Quantity.KLD_P95, (double) klds.at(0.95f));
        map.put(Quantity.KLD_P99, (double) klds.at(0.99f));
        map.put(Quantity.KLD_P999, (double) klds.at(0.999f));
        map.put(Quantity.KLD_MAX, (double) klds.max());
        map.put(Quantity.PPL, e.perplexity().value());
        map.put(Quantity.PPL_RATIO, e.ratio().value());
        map.put(Quantity.PPL_INCREASE, e.ratio().value() - 1);
        map.put(Quantity.LN_PPL_RATIO, e.logRatio().value());
        map.put(Quantity.SAME_TOP, e.sameTop().value());
        map.put(Quantity.MEAN_DP, e.probabilityChange().value());
        map.put(Quantity.RMS_DP, e.rootMeanSquareChange().value());
        map.put(Quantity.SIZE, (double) bytes);
        divergence.divergenceInterval().ifPresent(interval -> map.put(Quantity.KLD_UPPER, interval.high()));
        divergence
                .logRatioInterval()
                .ifPresent(interval -> map.put(Quantity.PPL_INCREASE_UPPER, Math.exp(interval.high()) - 1));
        return map;
    }
}
