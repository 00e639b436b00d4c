package dev.quern.evaluation;

import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A condition that a candidate must meet, as people write it: {@code kld<=0.03}, {@code ppl_increase < 2%},
 * {@code same_top>=91%}, {@code size<=4.2GB}. With a colon ({@code kld: 0.03}) the quantity's own relation is meant: at
 * least for those of which more is better, at most for the others.
 *
 * @param limit in the quantity's own measure: a share as a fraction, a size in bytes
 * @param text the expression as it was written
 */
public record Gate(Quantity quantity, Relation relation, double limit, String text) {
    private static final Pattern EXPRESSION = Pattern.compile(
            "\\s*([A-Za-z0-9_]+)\\s*(<=|>=|<|>|:)\\s*([^\\s%A-Za-z<>=:]+(?:[eE][+-]?[0-9]+)?)\\s*(%|[A-Za-z]+)?\\s*");

    private static final Map<String, Double> BYTES = Map.of(
            "B", 1.0, "KB", 1e3, "MB", 1e6, "GB", 1e9, "TB", 1e12, "KIB", 0x1p10, "MIB", 0x1p20, "GIB", 0x1p30, "TIB",
            0x1p40);

    public enum Relation {
        AT_MOST("<="),
        AT_LEAST(">="),
        BELOW("<"),
        ABOVE(">");

        private final String sign;

        Relation(String sign) {
            this.sign = sign;
        }

        private boolean holds(double value, double limit) {
            return switch (this) {
                case AT_MOST -> value <= limit;
                case AT_LEAST -> value >= limit;
                case BELOW -> value < limit;
                case ABOVE -> value > limit;
            };
        }
    }

    /** @param found empty when it could not be measured; then the gate is not passed */
    public record Verdict(Gate gate, OptionalDouble found, boolean passed) {
        /** {@code kld<=0.03: passed, 0.0092}. */
        public String text() {
            return gate.text() + ": " + (passed ? "passed" : "failed") + ", "
                    + (found.isPresent() ? gate.quantity().text(found.getAsDouble()) : "could not be measured");
        }
    }

    /** An expression that cannot be read; the message says what was expected. */
    public static final class Unreadable extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Unreadable(String text, String problem) {
            super("gate '" + text + "': " + problem);
        }

        Unreadable(String problem) {
            super(problem);
        }
    }

    /**
     * A condition on predictions.
     *
     * @throws Unreadable when the text is no condition, names nothing that is measured, or has the wrong unit
     */
    public static Gate parse(String text) {
        return parse(text, Quantity.OF_PREDICTIONS);
    }

    /**
     * @param measured what it can ask about
     * @throws Unreadable when the text is no condition, names nothing that is measured, or has the wrong unit
     */
    public static Gate parse(String text, Set<Quantity> measured) {
        Matcher matcher = EXPRESSION.matcher(text);
        if (!matcher.matches()) {
            String example = measured.contains(Quantity.KLD) ? "kld<=0.03" : "cosine_min>=0.99";
            throw new Unreadable(text, "expected a name, one of <= < >= >, and a value, such as " + example);
        }
        String word = matcher.group(1).toLowerCase(Locale.ROOT);
        Quantity quantity = Quantity.of(word, measured)
                .orElseThrow(() -> new Unreadable(
                        text, "expected one of " + Quantity.words(measured) + ", found '" + matcher.group(1) + "'"));
        String unit = matcher.group(4) == null ? "" : matcher.group(4);
        double limit = number(text, matcher.group(3)) * factor(text, quantity, unit);
        if (quantity.unit() == Quantity.Unit.SHARE && unit.isEmpty() && Math.abs(limit) > 1) {
            throw new Unreadable(
                    text,
                    "expected a percentage or a fraction, such as " + matcher.group(3) + "% or 0.91, found "
                            + matcher.group(3));
        }
        boolean natural = matcher.group(2).equals(":");
        Relation relation = natural ? quantity.relation() : relation(matcher.group(2));
        return new Gate(
                quantity,
                relation,
                limit,
                natural ? quantity.word() + relation.sign + matcher.group(3) + unit : text.strip());
    }

    /**
     * A share without a condition: {@code 2%} or {@code 0.02}.
     *
     * @throws Unreadable when it is none
     */
    public static double share(String text) {
        String number = text.strip();
        boolean percent = number.endsWith("%");
        try {
            double value = Double.parseDouble(percent ? number.substring(0, number.length() - 1) : number);
            if (Double.isFinite(value)) {
                return percent ? value / 100 : value;
            }
        } catch (NumberFormatException e) {
            // Told below, as of what is no finite number.
        }
        throw new Unreadable("expected a share such as 2% or 0.02, found '" + text + "'");
    }

    private static Relation relation(String sign) {
        for (Relation relation : Relation.values()) {
            if (relation.sign.equals(sign)) {
                return relation;
            }
        }
        throw new IllegalArgumentException(sign);
    }

    private static double number(String text, String digits) {
        try {
            double number = Double.parseDouble(digits);
            if (Double.isFinite(number)) {
                return number;
            }
        } catch (NumberFormatException e) {
            throw new Unreadable(text, "expected a number, found '" + digits + "'");
        }
        throw new Unreadable(text, "expected a finite number, found '" + digits + "'");
    }

    private static double factor(String text, Quantity quantity, String unit) {
        return switch (quantity.unit()) {
            case NUMBER -> {
                if (!unit.isEmpty()) {
                    throw new Unreadable(text, quantity.word() + " has no unit, found '" + unit + "'");
                }
                yield 1;
            }
            case SHARE -> {
                if (!unit.isEmpty() && !unit.equals("%")) {
                    throw new Unreadable(text, quantity.word() + " takes % or a fraction, found '" + unit + "'");
                }
                yield unit.isEmpty() ? 1 : 0.01;
            }
            case BYTES -> {
                Double bytes = unit.isEmpty() ? Double.valueOf(1) : BYTES.get(unit.toUpperCase(Locale.ROOT));
                if (bytes == null) {
                    throw new Unreadable(
                            text, quantity.word() + " takes bytes, KB to TB or KiB to TiB, found '" + unit + "'");
                }
                yield bytes;
            }
        };
    }

    /** @param measured values in the quantities' own measures; what could not be measured is missing */
    public Verdict judge(Map<Quantity, Double> measured) {
        Double value = measured.get(quantity);
        return value == null
                ? new Verdict(this, OptionalDouble.empty(), false)
                : new Verdict(this, OptionalDouble.of(value), relation.holds(value, limit));
    }
}
