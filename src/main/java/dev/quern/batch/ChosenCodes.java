package dev.quern.batch;

import dev.quern.compensation.Choice;
import dev.quern.pipeline.CompensatedConversion;
import dev.quern.pipeline.CompensatedPlan;
import dev.quern.pipeline.PlannedTensor;
import dev.quern.pipeline.Progress;
import dev.quern.report.RunReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;

/** Says how the choosing of codes goes on in a run, and keeps what it gains for the report. */
final class ChosenCodes implements CompensatedConversion.Observer {
    private final SourceWork work;
    private final Map<Path, List<RunReport.Gain>> gains = new HashMap<>();

    ChosenCodes(SourceWork work) {
        this.work = work;
    }

    /** Tensor by tensor; nothing where no codes were chosen together. */
    List<RunReport.Gain> gains(Path target) {
        return gains.getOrDefault(target, List.of());
    }

    @Override
    public CompensatedPlan.Listener listener(Path target) {
        Progress progress = work.progress("blocks");
        return new CompensatedPlan.Listener() {
            @Override
            public void block(int block, int blocks) {
                if (block == 0) {
                    progress.begin(work.input().name() + " codes", blocks);
                } else {
                    progress.advance(1);
                }
            }

            @Override
            public void chosen(PlannedTensor tensor, Choice choice) {}
        };
    }

    @Override
    public void chosen(Path target, CompensatedPlan plan) {
        Map<String, String> types = plan.plans().stream()
                .flatMap(part -> part.tensors().stream())
                .collect(Collectors.toMap(
                        PlannedTensor::name, tensor -> tensor.type().name()));
        List<RunReport.Gain> found = new ArrayList<>();
        plan.choices()
                .forEach((name, choice) -> found.add(new RunReport.Gain(
                        name,
                        Objects.requireNonNull(types.get(name)),
                        choice.reference(),
                        choice.compensated(),
                        choice.kept(),
                        choice.damping())));
        gains.put(target, List.copyOf(found));
        long better = plan.choices().values().stream()
                .filter(choice -> choice.kept() > 0)
                .count();
        work.say(String.format(
                Locale.ROOT,
                "%s: %d of %d tensors have codes chosen together",
                target.getFileName(),
                better,
                plan.choices().size()));
    }
}
