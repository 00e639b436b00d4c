package dev.quern.cli;

import dev.quern.compensation.Choice;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.CompensatedConversion;
import dev.quern.pipeline.CompensatedPlan;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.Method;
import dev.quern.pipeline.PlannedTensor;
import dev.quern.pipeline.Source;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Carries outputs out, with codes that are chosen together where the user wants that. */
final class Compensating implements CompensatedConversion.Observer {
    private final Method method;
    private final ImportanceOptions importance;
    private final boolean prunes;
    private final RunOptions run;
    private final Map<Path, Map<String, Choice>> choices = new LinkedHashMap<>();

    /**
     * @param importance whose calibration text codes are fitted to
     * @param prunes whether layers are left out
     */
    Compensating(Method method, ImportanceOptions importance, boolean prunes, RunOptions run) {
        this.method = method;
        this.importance = importance;
        this.prunes = prunes;
        this.run = run;
    }

    /** @throws RefusedException when codes cannot be chosen together */
    void check(Source source) {
        if (method != Method.COMPENSATED) {
            return;
        }
        if (importance.text == null) {
            throw new RefusedException(
                    source.path(),
                    "--method compensated fits codes to a text, and none is given",
                    "name one with --calibrate; --method search does without");
        }
        if (prunes) {
            throw new RefusedException(
                    source.path(),
                    "--method compensated computes the whole model, and --prune-layers leaves layers out",
                    "prune first, then quantize what came of it");
        }
    }

    /** Says where the method has nothing to choose. */
    private void sayIdle(List<Conversion.Output> outputs) {
        outputs.forEach(output ->
                method.idle(output.plan()).ifPresent(idle -> run.talk().say("note: " + output.target() + ": " + idle)));
    }

    /** Says what choosing codes would take; a dry run chooses none. */
    void plan(List<Conversion.Output> outputs) {
        sayIdle(outputs);
        if (method == Method.COMPENSATED) {
            long bytes = CompensatedConversion.bytes(
                    outputs.stream().map(Conversion.Output::plan).toList(), Math.max(1, run.threads));
            run.talk()
                    .say("note: codes are chosen together before anything is written, with up to "
                            + Math.ceilDiv(bytes, 1 << 20) + " MiB more of memory");
        }
    }

    List<Conversion.Written> run(
            Source source, List<Conversion.Output> outputs, Inputs inputs, Conversion.Options options) {
        sayIdle(outputs);
        Path text = importance.text;
        if (method != Method.COMPENSATED || text == null) {
            return Conversion.run(outputs, inputs, options);
        }
        EvaluatedModel model = EvaluatedModel.of(source);
        Text read = EvaluationOptions.read(text, run.talk());
        Windows windows =
                model.windows(read, importance.context, importance.chunks < 0 ? Integer.MAX_VALUE : importance.chunks);
        return CompensatedConversion.run(
                model, windows, outputs, output -> true, inputs, options, CompensatedPlan.Room.USUAL, this);
    }

    @Override
    public CompensatedPlan.Listener listener(Path target) {
        RunningEstimate running = new RunningEstimate(run.talk());
        long begun = System.nanoTime();
        return new CompensatedPlan.Listener() {
            private String last = "choosing codes";

            @Override
            public void block(int block, int blocks) {
                double seconds = (System.nanoTime() - begun) / 1e9;
                running.stepDone("block", block + 1, blocks, last, block == 0 ? 0 : seconds / block * (blocks - block));
            }

            @Override
            public void chosen(PlannedTensor tensor, Choice choice) {
                last = tensor.name() + ": " + choice.line();
            }
        };
    }

    @Override
    public void chosen(Path target, CompensatedPlan plan) {
        choices.put(target.toAbsolutePath(), plan.choices());
        double logarithms = 0;
        int better = 0;
        for (Choice choice : plan.choices().values()) {
            double less = Math.min(choice.compensated(), choice.reference());
            logarithms += less > 0 ? Math.log(less / choice.reference()) : 0;
            better += choice.kept() > 0 ? 1 : 0;
        }
        run.talk()
                .say(String.format(
                        Locale.ROOT,
                        "%s: %d of %d tensors have codes chosen together; the error of their layers on text held back"
                                + " is %.2f of the reference's (geometric mean); %s",
                        target,
                        better,
                        plan.choices().size(),
                        Math.exp(logarithms / Math.max(1, plan.choices().size())),
                        plan.times()));
    }

    /** What became of each tensor of an output, for machines; empty where no codes were chosen together. */
    Optional<Map<String, Object>> choices(Path target) {
        Map<String, Choice> chosen = choices.get(target.toAbsolutePath());
        if (chosen == null) {
            return Optional.empty();
        }
        Map<String, Object> tensors = new LinkedHashMap<>();
        chosen.forEach((name, choice) -> {
            Map<String, Object> values = new LinkedHashMap<>();
            values.put("layer_error_reference", choice.reference());
            values.put("layer_error_compensated", choice.compensated());
            values.put("kept", choice.kept());
            values.put("damping", choice.damping());
            tensors.put(name, values);
        });
        return Optional.of(tensors);
    }
}
