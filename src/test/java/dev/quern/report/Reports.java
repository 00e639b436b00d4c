package dev.quern.report;

import dev.quern.report.RunReport.Figure;
import dev.quern.report.RunReport.Status;
import dev.quern.report.RunReport.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A report made up for tests, with names that would be markup if they were not escaped. */
final class Reports {
    static final String HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script>|`*@you";
    private static final String HASH = "0123456789abcdef".repeat(4);

    private Reports() {}

    static RunReport hostile() {
        return report(HOSTILE, 0.03);
    }

    /** @param kld of the output "small" */
    static RunReport report(String name, double kld) {
        List<RunReport.TensorError> errors = new ArrayList<>();
        errors.add(new RunReport.TensorError("output.weight", "Q6_K", 1000, 1e-3, 0.01, 0.02, 0.9999));
        for (int layer = 0; layer < 4; layer++) {
            errors.add(new RunReport.TensorError(
                    "blk." + layer + ".attn_q.weight", "Q4_0", 500, 2e-3, 0.02 * (layer + 1), 0.05, 0.999));
        }
        RunReport.OutputResult large = output("Q8_0", 4_500_000, 0.0001, null, List.of(), errors, Verdict.PASSED);
        // Ratios of 0.25, 0.5, 0.5 and, where the reference's codes stayed, 1.
        List<RunReport.Gain> gains = List.of(
                new RunReport.Gain("blk.0.attn_q.weight", "Q4_0", 0.04, 0.01, 1, 0.03),
                new RunReport.Gain("blk.1.attn_q.weight", "Q4_0", 0.04, 0.02, 1, 0.03),
                new RunReport.Gain("blk.3.attn_q.weight", "Q4_0", 0.04, 0.06, 0, 0.03),
                new RunReport.Gain("blk.3.ffn_up_exps.weight", "Q4_0", 0.04, 0.02, 0.75, 0.03));
        List<RunReport.SizePoint> sizes = List.of(
                new RunReport.SizePoint(2_000_000, 3.9, 0.06, 0),
                new RunReport.SizePoint(2_500_000, 4.5, 0.03, 0.002),
                new RunReport.SizePoint(3_000_000, 5.2, 0.01, 0));
        RunReport.Allocation allocation = new RunReport.Allocation(
                "target_size 2.5MB",
                2_500_000,
                4.5,
                0.03,
                0.002,
                sizes,
                List.of(
                        new RunReport.ChosenType("output.weight", "F32", 400, 0.01, "target: " + name),
                        new RunReport.ChosenType("blk.2.attn_q.weight", "Q4_0", 288, 0.02, "target: 2.00e-02 nats")));
        RunReport.OutputResult small = output("small", 2_500_000, kld, allocation, gains, errors, Verdict.FAILED);
        RunReport.SourceResult good = new RunReport.SourceResult(
                name,
                "models/" + name,
                Status.DONE,
                null,
                null,
                "GGUF v3",
                "llama",
                4_000_000,
                List.of(new RunReport.FileIdentity(name, 9, HASH)),
                List.of(new RunReport.Step("convert", Status.DONE, 1.5, null)),
                List.of(large, small));
        RunReport.SourceResult refused = new RunReport.SourceResult(
                "cut",
                "models/cut",
                Status.REFUSED,
                "models/cut: ends early: " + name,
                "fetch it again",
                null,
                null,
                0,
                List.of(),
                List.of(),
                List.of());
        return new RunReport(
                RunReport.FORMAT,
                RunReport.VERSION,
                name,
                new RunReport.Tool("1.0", "25", "Linux amd64", "simd", 2, List.of("quern", "run", name)),
                "2026-01-02T03:04:05Z",
                12.5,
                3,
                new RunReport.FileIdentity("recipe.yaml", 100, HASH),
                List.of(new RunReport.TextFile(name, "evaluation", 1000, HASH)),
                List.of(good, refused));
    }

    private static RunReport.OutputResult output(
            String name,
            long bytes,
            double kld,
            RunReport.@Nullable Allocation allocation,
            List<RunReport.Gain> gains,
            List<RunReport.TensorError> errors,
            Verdict verdict) {
        RunReport.Measurement measurement = new RunReport.Measurement(
                "text.txt",
                "source",
                512,
                3,
                765,
                new Figure(50 * (1 + kld), 0.5),
                new Figure(50, 0.5),
                new Figure(1 + kld, 0.001),
                new Figure(kld, kld / 10),
                List.of(kld * 0.8, kld * 1.2),
                new Figure(0.95, 0.01),
                new Figure(0.02, 0.001),
                Map.of("kld", kld, "ppl", 50 * (1 + kld)),
                List.of(
                        new RunReport.Percentile(0.5, kld / 2),
                        new RunReport.Percentile(0.99, kld * 5),
                        new RunReport.Percentile(1, kld * 20)),
                List.of(48.0, 52.0, 50 * (1 + kld)),
                List.of(47.5, 51.0, 50.0),
                List.of(kld, kld, kld),
                2.5);
        return new RunReport.OutputResult(
                name,
                "Q4_0",
                Status.DONE,
                Map.of("pure", "true"),
                new RunReport.FileIdentity(name + ".gguf", bytes, HASH),
                null,
                4.5,
                1.5,
                List.of(
                        new RunReport.TypeShare("F32", 1, 100, 400),
                        new RunReport.TypeShare("Q4_0", 4, 4_000_000, bytes)),
                allocation,
                gains,
                errors,
                List.of(measurement),
                List.of(new RunReport.GateResult("kld<=0.01", "kld", "text.txt", 0.01, kld, verdict, "found " + kld)));
    }
}
