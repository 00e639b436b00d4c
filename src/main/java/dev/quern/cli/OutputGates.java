package dev.quern.cli;

import dev.quern.evaluation.Comparison;
import dev.quern.evaluation.Divergence;
import dev.quern.evaluation.DivergenceEstimates;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Quantity;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Source;
import dev.quern.report.DivergenceReport;
import dev.quern.report.Lineage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Holds outputs against their gates while they have no name yet: the size before the first byte is written, everything
 * else when the last one is.
 */
final class OutputGates implements Conversion.Judge {
    private final GateOptions options;
    private final int threads;
    private final Talk talk;
    private final List<Model> models = new ArrayList<>();
    private @Nullable EvaluatedModel base;
    private @Nullable Windows windows;

    /** An output of one type: one file, or all parts of a split one. */
    private static final class Model {
        final List<Conversion.Output> parts = new ArrayList<>();
        List<Gate.Verdict> verdicts = List.of();
        List<Lineage.Figure> figures = List.of();
        boolean given;

        String name() {
            return String.valueOf(parts.getFirst().target().getFileName());
        }

        long bytes() {
            return parts.stream()
                    .mapToLong(part -> part.plan().layout().fileSize())
                    .sum();
        }

        boolean passed() {
            return verdicts.stream().allMatch(Gate.Verdict::passed);
        }
    }

    /** @param outputs all parts of a split one together, in order */
    OutputGates(GateOptions options, List<Conversion.Output> outputs, int threads, Talk talk) {
        this.options = options;
        this.threads = threads;
        this.talk = talk;
        for (Conversion.Output output : outputs) {
            if (output.plan().metadata().integer("split.no").orElse(0) == 0) {
                models.add(new Model());
            }
            models.getLast().parts.add(output);
        }
    }

    /**
     * Reads what outputs are going to be measured on.
     *
     * @param source what they are made of
     * @throws dev.quern.io.InputException when it cannot be evaluated, or the text is too short
     */
    void prepare(Source source) {
        Path text = options.text;
        if (text == null) {
            return;
        }
        EvaluatedModel model = EvaluatedModel.of(source);
        if (models.stream().anyMatch(one -> one.parts.getFirst().plan().parameters() == 0 && one.parts.size() == 1)) {
            throw new RefusedException(
                    text, "is of no use: an output without tensors cannot be evaluated", "leave it out");
        }
        Text read = EvaluationOptions.read(text, talk);
        base = model;
        model.requirePredictions();
        windows = model.windows(read, options.context, options.mostWindows());
    }

    /** The outputs that their size does not rule out already, or all of them where failed ones are kept. */
    List<Conversion.Output> possible() {
        List<Conversion.Output> possible = new ArrayList<>();
        for (Model model : models) {
            List<Gate.Verdict> size = options.gates().stream()
                    .filter(gate -> gate.quantity() == Quantity.SIZE)
                    .map(gate -> gate.judge(Map.of(Quantity.SIZE, (double) model.bytes())))
                    .toList();
            if (options.keepFailed || size.stream().allMatch(Gate.Verdict::passed)) {
                possible.addAll(model.parts);
                model.given = true;
            }
            model.verdicts = size;
        }
        return possible;
    }

    @Override
    public Collection<Conversion.Complete> rejected(List<Conversion.Complete> outputs) {
        List<List<Conversion.Complete>> complete = new ArrayList<>();
        List<Model> given = models.stream().filter(model -> model.given).toList();
        int at = 0;
        for (Model model : given) {
            complete.add(outputs.subList(at, at + model.parts.size()));
            at += model.parts.size();
        }
        Windows text = windows;
        EvaluatedModel reference = base;
        if (text != null && reference != null && !given.isEmpty()) {
            measure(reference, text, given, complete);
        }
        Set<Conversion.Complete> rejected = new HashSet<>();
        for (int i = 0; i < given.size(); i++) {
            if (!given.get(i).passed() && !options.keepFailed) {
                rejected.addAll(complete.get(i));
            }
        }
        return rejected;
    }

    private void measure(
            EvaluatedModel reference, Windows text, List<Model> given, List<List<Conversion.Complete>> complete) {
        List<EvaluatedModel> opened = new ArrayList<>();
        List<Forward> forwards = new ArrayList<>();
        long memory = Forward.DEFAULT_MEMORY / (given.size() + 1);
        try (Forward model = reference.forward(text.length(), threads, memory)) {
            for (List<Conversion.Complete> parts : complete) {
                opened.add(EvaluatedModel.of(Source.openParts(
                        parts.stream().map(Conversion.Complete::file).toList())));
                forwards.add(opened.getLast().forward(text.length(), threads, memory));
            }
            RunningEstimate shown = new RunningEstimate(talk);
            Comparison.Result result = Comparison.of(text, model, forwards)
                    .run(done -> shown.windowDone(
                            done.windowsDone(), done.windows(), estimate(done.estimates()), done.secondsLeft()));
            for (int i = 0; i < given.size(); i++) {
                judge(given.get(i), result.divergences().get(i), text);
            }
            talk.say(String.format(
                    Locale.ROOT, "judged on %d windows of %s, %.1f s", text.count(), text.origin(), result.seconds()));
        } finally {
            forwards.forEach(Forward::close);
            opened.forEach(EvaluatedModel::close);
        }
    }

    private static String estimate(List<DivergenceEstimates> estimates) {
        return "KLD "
                + String.join(
                        ", ",
                        estimates.stream()
                                .map(one -> String.format(
                                        Locale.ROOT, "%.5f", one.divergence().value()))
                                .toList());
    }

    private void judge(Model model, Divergence divergence, Windows text) {
        Map<Quantity, Double> measured = new EnumMap<>(DivergenceReport.quantities(divergence, model.bytes()));
        model.verdicts =
                options.gates().stream().map(gate -> gate.judge(measured)).toList();
        String name = String.valueOf(Path.of(text.origin()).getFileName());
        List<Lineage.Figure> figures = new ArrayList<>();
        measured.forEach((quantity, value) -> {
            if (quantity != Quantity.SIZE) {
                figures.add(new Lineage.Figure(quantity.word(), name, value, null, null));
            }
        });
        model.figures = figures;
    }

    /** Whether every output met every gate. */
    boolean passed() {
        return models.stream().allMatch(Model::passed);
    }

    /** What was measured of the output that a plan is a part of. */
    List<Lineage.Figure> figures(OutputPlan plan) {
        return of(plan).figures;
    }

    private Model of(OutputPlan plan) {
        return models.stream()
                .filter(model ->
                        model.parts.stream().anyMatch(part -> part.plan().equals(plan)))
                .findFirst()
                .orElseThrow();
    }

    /** A line for each gate of each output, then what became of those that did not meet theirs. */
    void print(boolean dryRun) {
        for (Model model : models) {
            model.verdicts.forEach(verdict -> System.out.println("gate " + model.name() + ": " + verdict.text()));
            if (!model.passed() && !dryRun) {
                talk.say(model.name()
                        + (options.keepFailed
                                ? ": is in place, but a gate was not passed"
                                : ": was not put in place, since a gate was not passed (--keep-failed would)"));
            }
        }
    }

    /** Verdicts for machines, of the outputs that are not in place. */
    List<Map<String, Object>> failures() {
        List<Map<String, Object>> failures = new ArrayList<>();
        for (Model model : models) {
            if (!model.passed() && !options.keepFailed) {
                Map<String, Object> failure = new LinkedHashMap<>();
                failure.put("file", model.parts.getFirst().target().toString());
                failure.put("type", model.parts.getFirst().plan().type());
                failure.put("written", false);
                failure.put("gates", gates(model));
                failures.add(failure);
            }
        }
        return failures;
    }

    /** The verdicts on the output that a plan is a part of, for machines. */
    List<Map<String, Object>> gates(OutputPlan plan) {
        return gates(of(plan));
    }

    private static List<Map<String, Object>> gates(Model model) {
        return model.verdicts.stream().map(ComparisonReport::map).toList();
    }
}
