package dev.quern.batch;

import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Quantity;
import java.util.Locale;

/** A condition on an output: a limit of its own, or how much worse than an earlier run it may be. */
public sealed interface BatchGate {
    /** As people write it. */
    String text();

    /** What it asks about. */
    Quantity quantity();

    /** {@code kld<=0.03}. */
    record Absolute(Gate gate) implements BatchGate {
        @Override
        public String text() {
            return gate.text();
        }

        @Override
        public Quantity quantity() {
            return gate.quantity();
        }
    }

    /**
     * @param most relative to the baseline's value (0.02 for two percent), or a difference for shares
     */
    record Drift(Quantity quantity, double most) implements BatchGate {
        @Override
        public String text() {
            return String.format(Locale.ROOT, "drift %s<=%.4g%%", quantity.word(), 100 * most);
        }

        /** How much worse a value is than the baseline's; negative for better. */
        double worse(double value, double baseline) {
            double difference = quantity.moreIsBetter() ? baseline - value : value - baseline;
            boolean absolute = quantity.unit() == Quantity.Unit.SHARE || difference == 0;
            return absolute ? difference : difference / Math.abs(baseline);
        }
    }
}
