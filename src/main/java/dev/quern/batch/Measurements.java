package dev.quern.batch;

import dev.quern.evaluation.Divergence;
import dev.quern.evaluation.DivergenceEstimates;
import dev.quern.evaluation.Estimate;
import dev.quern.evaluation.Windows;
import dev.quern.report.DivergenceReport;
import dev.quern.report.RunReport;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A comparison's figures as reports keep them. */
final class Measurements {
    private static final float[] SHARES = {0.01f, 0.05f, 0.1f, 0.25f, 0.5f, 0.75f, 0.9f, 0.95f, 0.99f, 0.999f, 1};

    private Measurements() {}

    /**
     * @param text the text's name
     * @param running figures up to and with each window
     * @param bytes of the output
     */
    static RunReport.Measurement of(
            String text,
            String base,
            Windows windows,
            Divergence divergence,
            List<DivergenceEstimates> running,
            long bytes,
            double seconds) {
        DivergenceEstimates e = divergence.estimates();
        Map<String, Double> quantities = new TreeMap<>();
        DivergenceReport.quantities(divergence, bytes)
                .forEach((quantity, value) -> quantities.put(quantity.word(), value));
        List<RunReport.Percentile> percentiles = new ArrayList<>();
        for (float share : SHARES) {
            // The shortest decimal of the float, not its binary expansion.
            percentiles.add(new RunReport.Percentile(
                    Double.parseDouble(Float.toString(share)),
                    divergence.divergences().at(share)));
        }
        return new RunReport.Measurement(
                text,
                base,
                windows.length(),
                windows.count(),
                e.scored(),
                figure(e.perplexity()),
                figure(e.basePerplexity()),
                figure(e.ratio()),
                figure(e.divergence()),
                DivergenceReport.pair(divergence.divergenceInterval()),
                figure(e.sameTop()),
                figure(e.rootMeanSquareChange()),
                quantities,
                percentiles,
                running.stream().map(now -> now.perplexity().value()).toList(),
                running.stream().map(now -> now.basePerplexity().value()).toList(),
                running.stream().map(now -> now.divergence().value()).toList(),
                seconds);
    }

    private static RunReport.Figure figure(Estimate estimate) {
        return new RunReport.Figure(estimate.value(), estimate.error());
    }
}
