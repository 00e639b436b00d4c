package dev.quern.cli;

import dev.quern.compensation.Choice;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.CompensatedPlan;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.Method;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.PlannedTensor;
import dev.quern.pipeline.Source;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Carries outputs out, with codes that are chosen together where the user wants that.
 *
 * @param importance whose calibration text codes are fitted to
 * @param prunes whether layers are left out
 */
record Compensating(Method method, ImportanceOptions importance, boolean prunes) {
    /** As for commands that choose no codes. */
    static final Compensating NONE = new Compensating(Method.REFERENCE, new ImportanceOptions(), false);

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

    List<Conversion.Written> run(
            Source source, List<Conversion.Output> outputs, Inputs inputs, Conversion.Options options, RunOptions run) {
        Path text = importance.text;
        if (method != Method.COMPENSATED || text == null) {
            return Conversion.run(outputs, inputs, options);
        }
        EvaluatedModel model = EvaluatedModel.of(source);
        Text read = EvaluationOptions.read(text, run.talk());
        Windows windows = Windows.halves(
                read.origin(),
                model.tokens(read),
                model.beginning(),
                importance.context,
                importance.chunks < 0 ? Integer.MAX_VALUE : importance.chunks);
        List<CompensatedPlan> made = new ArrayList<>();
        try {
            List<Conversion.Output> filled = new ArrayList<>();
            Map<OutputPlan, OutputPlan> plans = new IdentityHashMap<>();
            for (List<Conversion.Output> parts : models(outputs)) {
                made.add(chosen(model, parts, windows, inputs, options, run));
                for (int i = 0; i < parts.size(); i++) {
                    OutputPlan plan = made.getLast().plans().get(i);
                    plans.put(plan, parts.get(i).plan());
                    filled.add(new Conversion.Output(plan, parts.get(i).target()));
                }
            }
            // Blocks that are there are soon copied; what took long is kept elsewhere.
            return Conversion.run(
                            filled, inputs, options.with(Conversion.Resume.NEVER, options.tool(), options.notices()))
                    .stream()
                    .map(file -> new Conversion.Written(
                            plans.getOrDefault(file.plan(), file.plan()), file.file(), file.bytes(), file.tensors()))
                    .toList();
        } finally {
            made.forEach(CompensatedPlan::close);
        }
    }

    /** Parts of a split output together. */
    private static List<List<Conversion.Output>> models(List<Conversion.Output> outputs) {
        List<List<Conversion.Output>> models = new ArrayList<>();
        for (Conversion.Output output : outputs) {
            if (output.plan().metadata().integer("split.no").orElse(0) == 0) {
                models.add(new ArrayList<>());
            }
            models.getLast().add(output);
        }
        return models;
    }

    private static CompensatedPlan chosen(
            EvaluatedModel model,
            List<Conversion.Output> parts,
            Windows windows,
            Inputs inputs,
            Conversion.Options options,
            RunOptions run) {
        Talk talk = run.talk();
        RunningEstimate running = new RunningEstimate(talk);
        long begun = System.nanoTime();
        CompensatedPlan.Listener listener = new CompensatedPlan.Listener() {
            private String last = "choosing codes";

            @Override
            public void block(int block, int blocks) {
                double seconds = (System.nanoTime() - begun) / 1e9;
                running.stepDone("block", block + 1, blocks, last, block == 0 ? 0 : seconds / block * (blocks - block));
            }

            @Override
            public void chosen(PlannedTensor tensor, Choice choice) {
                last = tensor.name() + " " + choice.line();
            }
        };
        boolean resume = options.resume() != Conversion.Resume.NEVER;
        CompensatedPlan plan = CompensatedPlan.of(
                model,
                parts.stream().map(Conversion.Output::plan).toList(),
                windows,
                parts.getFirst().target(),
                inputs,
                CompensatedPlan.Options.of(options.threads(), resume, options.tool(), options.notices(), listener));
        say(plan, parts.getFirst().target(), talk);
        return plan;
    }

    private static void say(CompensatedPlan plan, Path target, Talk talk) {
        Map<String, Choice> choices = plan.choices();
        double logarithms = 0;
        int better = 0;
        for (Choice choice : choices.values()) {
            logarithms += Math.log(Math.min(choice.compensated(), choice.reference()) / choice.reference());
            better += choice.kept() > 0 ? 1 : 0;
        }
        talk.say(String.format(
                Locale.ROOT,
                "%s: %d of %d tensors have codes chosen together; error of their layers on text held back %.2f of the"
                        + " reference's (geometric mean); %s",
                target,
                better,
                choices.size(),
                Math.exp(logarithms / Math.max(1, choices.size())),
                plan.times()));
    }
}
