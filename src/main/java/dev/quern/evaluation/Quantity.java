package dev.quern.evaluation;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** What a {@link Gate} can ask about a candidate, under the name that the expression uses. */
public enum Quantity {
    KLD(Unit.NUMBER, "mean Kullback-Leibler divergence from the base, nats"),
    KLD_UPPER(Unit.NUMBER, "upper end of its 95 % interval"),
    KLD_MEDIAN(Unit.NUMBER, "median divergence of single positions"),
    KLD_P90(Unit.NUMBER, "90th percentile"),
    KLD_P95(Unit.NUMBER, "95th percentile"),
    KLD_P99(Unit.NUMBER, "99th percentile"),
    KLD_P999(Unit.NUMBER, "99.9th percentile"),
    KLD_MAX(Unit.NUMBER, "largest divergence of a position"),
    PPL(Unit.NUMBER, "perplexity"),
    PPL_RATIO(Unit.NUMBER, "perplexity over the base's"),
    PPL_INCREASE(Unit.SHARE, "perplexity over the base's, less one"),
    PPL_INCREASE_UPPER(Unit.SHARE, "upper end of its 95 % interval"),
    LN_PPL_RATIO(Unit.NUMBER, "natural logarithm of the ratio of the perplexities"),
    SAME_TOP(Unit.SHARE, "positions where both find the same token the most probable"),
    MEAN_DP(Unit.SHARE, "mean change of the right token's probability"),
    RMS_DP(Unit.SHARE, "root mean square change of the right token's probability"),
    SIZE(Unit.BYTES, "bytes of the candidate's files");

    /** How a quantity's values are written. */
    public enum Unit {
        NUMBER,
        /** {@code 2%} or {@code 0.02}. */
        SHARE,
        /** {@code 4.2GB}, {@code 800MiB} or plain bytes. */
        BYTES
    }

    private final Unit unit;
    private final String meaning;

    Quantity(Unit unit, String meaning) {
        this.unit = unit;
        this.meaning = meaning;
    }

    /** As expressions and JSON write it, e.g. {@code kld_p99}. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    public Unit unit() {
        return unit;
    }

    public String meaning() {
        return meaning;
    }

    /** Whether large values are good ones. */
    public boolean moreIsBetter() {
        return this == SAME_TOP || this == MEAN_DP;
    }

    /** How its values are held to a limit where nothing else is said. */
    Gate.Relation relation() {
        return moreIsBetter() ? Gate.Relation.AT_LEAST : Gate.Relation.AT_MOST;
    }

    public static Optional<Quantity> of(String word) {
        return Arrays.stream(values()).filter(q -> q.word().equals(word)).findFirst();
    }

    /** All words, for messages and help. */
    public static String words() {
        return Arrays.stream(values()).map(Quantity::word).collect(Collectors.joining(", "));
    }

    /** A value for people, in the unit that an expression would use. */
    public String text(double value) {
        return switch (unit) {
            case NUMBER -> String.format(Locale.ROOT, "%.6g", value);
            case SHARE -> String.format(Locale.ROOT, "%.4g%%", 100 * value);
            case BYTES -> String.format(Locale.ROOT, "%.4gMB", value / 1e6);
        };
    }
}
