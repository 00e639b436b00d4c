package dev.quern.evaluation;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
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
    COSINE_MEAN(Unit.NUMBER, "mean cosine between a text's vector and the base's"),
    COSINE_MIN(Unit.NUMBER, "smallest of these cosines"),
    SAME_NEAREST(Unit.SHARE, "texts whose nearest other text is the same as the base's"),
    SIZE(Unit.BYTES, "bytes of the candidate's files");

    /** Of what an embedding model makes of texts. */
    public static final Set<Quantity> OF_VECTORS =
            Collections.unmodifiableSet(EnumSet.of(COSINE_MEAN, COSINE_MIN, SAME_NEAREST, SIZE));

    /** Of what a model predicts. */
    public static final Set<Quantity> OF_PREDICTIONS =
            Collections.unmodifiableSet(EnumSet.complementOf(EnumSet.of(COSINE_MEAN, COSINE_MIN, SAME_NEAREST)));

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
        return switch (this) {
            case SAME_TOP, MEAN_DP, COSINE_MEAN, COSINE_MIN, SAME_NEAREST -> true;
            default -> false;
        };
    }

    /** How its values are held to a limit where nothing else is said. */
    Gate.Relation relation() {
        return moreIsBetter() ? Gate.Relation.AT_LEAST : Gate.Relation.AT_MOST;
    }

    /** One that asks about predictions. */
    public static Optional<Quantity> of(String word) {
        return of(word, OF_PREDICTIONS);
    }

    static Optional<Quantity> of(String word, Set<Quantity> among) {
        return among.stream().filter(q -> q.word().equals(word)).findFirst();
    }

    /** All words that ask about predictions, for messages and help. */
    public static String words() {
        return words(OF_PREDICTIONS);
    }

    static String words(Set<Quantity> among) {
        return among.stream().map(Quantity::word).collect(Collectors.joining(", "));
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
