package dev.quern.batch;

import dev.quern.compensation.Choice;
import dev.quern.pipeline.CompensatedConversion;
import dev.quern.pipeline.CompensatedPlan;
import dev.quern.pipeline.PlannedTensor;
import dev.quern.pipeline.Progress;
import java.nio.file.Path;
import java.util.Locale;

/** Says how the choosing of codes goes on in a run. */
record ChosenCodes(SourceWork work) implements CompensatedConversion.Observer {
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
