package dev.quern.compensation;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What became of one tensor, judged on text that nothing was fitted to: squared errors of the layer's outputs, as parts
 * of what they should be.
 *
 * @param reference with the codes of the reference method
 * @param compensated with the codes that were chosen together
 * @param kept what part of the tensor has the latter: 1 or 0, and of experts something between
 * @param damping the part of the mean moment that was added to the diagonal
 */
public record Choice(double reference, double compensated, double kept, double damping) {
    private static final Pattern LINE = Pattern.compile("layer error (\\S+) -> (\\S+), kept (\\S+), damping (\\S+)");

    /** One line, which {@link #parse} reads. */
    public String line() {
        return String.format(
                Locale.ROOT,
                "layer error %.6g -> %.6g, kept %.4g, damping %.3g",
                reference,
                compensated,
                kept,
                damping);
    }

    /** Empty for any other line. */
    public static Optional<Choice> parse(String line) {
        Matcher matcher = LINE.matcher(line);
        if (!matcher.matches()) {
            return Optional.empty();
        }
        return Optional.of(new Choice(
                Double.parseDouble(matcher.group(1)),
                Double.parseDouble(matcher.group(2)),
                Double.parseDouble(matcher.group(3)),
                Double.parseDouble(matcher.group(4))));
    }
}
