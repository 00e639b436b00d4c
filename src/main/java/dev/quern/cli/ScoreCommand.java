package dev.quern.cli;

import dev.quern.evaluation.TaskFormat;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "score",
        description = "Has a model choose answers (HellaSwag, Winogrande, multiple choice) from the files that "
                + "llama-perplexity reads, scored as there.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ScoreCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    ModelOption model;

    @ArgGroup(multiplicity = "1")
    @SuppressWarnings("NullAway.Init")
    PerplexityCommand.Input input;

    @Option(
            names = "--task",
            paramLabel = "KIND",
            description = "hellaswag, winogrande or multiple-choice; or the flags below.")
    @Nullable
    String task;

    @Option(
            names = "--tasks",
            paramLabel = "N",
            description = "Tasks to take (default: 400 of HellaSwag's, all of the others'; 0: all).")
    int tasks = -1;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    TaskOptions kinds;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    EvaluationOptions options;

    @Override
    public Integer call() {
        options.check(spec);
        TaskFormat format = format();
        TaskOptions.run(model.path, input.path(), format, tasks >= 0 ? tasks : kinds.most(format), options);
        return 0;
    }

    private TaskFormat format() {
        String word = task;
        var flagged = kinds.format(spec);
        if (word == null) {
            return flagged.orElseThrow(
                    () -> Quern.usage(spec, "expected --task hellaswag, winogrande or multiple-choice"));
        }
        return Arrays.stream(TaskFormat.values())
                .filter(format ->
                        format.name().equals(word.toUpperCase(Locale.ROOT).replace('-', '_')))
                .findFirst()
                .orElseThrow(() -> Quern.usage(
                        spec, "--task: expected hellaswag, winogrande or multiple-choice, found '" + word + "'"));
    }
}
