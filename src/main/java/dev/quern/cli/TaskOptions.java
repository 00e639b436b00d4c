package dev.quern.cli;

import dev.quern.evaluation.CachedForward;
import dev.quern.evaluation.ChoiceTask;
import dev.quern.evaluation.TaskFormat;
import dev.quern.evaluation.TaskScoring;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.report.Json;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** Tasks with answers to choose from, under llama-perplexity's names, and what comes of them. */
final class TaskOptions {
    /** 97.5 % of a normal distribution lie below so many standard deviations. */
    private static final double NORMAL_97_5 = 1.95996398454;

    @Option(names = "--hellaswag", description = "Score HellaSwag tasks: six lines each.")
    boolean hellaSwag;

    @Option(
            names = "--hellaswag-tasks",
            paramLabel = "N",
            description = "Tasks to take, as llama-perplexity on Linux chooses them (default: 400).")
    int hellaSwagTasks = -1;

    @Option(names = "--winogrande", description = "Score Winogrande tasks: CSV.")
    boolean winogrande;

    @Option(names = "--winogrande-tasks", paramLabel = "N", description = "Tasks to take (default: all).")
    int winograndeTasks = -1;

    @Option(names = "--multiple-choice", description = "Score multiple-choice tasks: llama-perplexity's binary file.")
    boolean multipleChoice;

    @Option(names = "--multiple-choice-tasks", paramLabel = "N", description = "Tasks to take (default: all).")
    int multipleChoiceTasks = -1;

    /** The task asked for, if one is. */
    Optional<TaskFormat> format(CommandSpec spec) {
        List<TaskFormat> wanted = new ArrayList<>();
        if (hellaSwag) {
            wanted.add(TaskFormat.HELLASWAG);
        }
        if (winogrande) {
            wanted.add(TaskFormat.WINOGRANDE);
        }
        if (multipleChoice) {
            wanted.add(TaskFormat.MULTIPLE_CHOICE);
        }
        if (wanted.size() > 1) {
            throw Quern.usage(spec, "expected one kind of task, found " + wanted.size());
        }
        return wanted.stream().findFirst();
    }

    int most(TaskFormat format) {
        return switch (format) {
            case HELLASWAG -> hellaSwagTasks;
            case WINOGRANDE -> winograndeTasks;
            case MULTIPLE_CHOICE -> multipleChoiceTasks;
        };
    }

    /** What has been answered so far. */
    private record Tally(int tasks, int right, double chance) {
        double share() {
            return (double) right / tasks;
        }

        double error() {
            return tasks < 2 ? 0 : Math.sqrt(share() * (1 - share()) / (tasks - 1));
        }

        /** The Wilson score interval of the share of right answers, 95 %: low and high. */
        List<Double> interval() {
            double z = NORMAL_97_5 * NORMAL_97_5 / tasks;
            double width = z * Math.sqrt(tasks * (4 * share() * (1 - share()) + z)) / (2 * NORMAL_97_5);
            double middle = share() + z / 2;
            return List.of((middle - width) / (1 + z), (middle + width) / (1 + z));
        }

        Tally with(TaskScoring.Answer answer) {
            return new Tally(tasks + 1, right + (answer.right() ? 1 : 0), chance + 1.0 / answer.scores().length);
        }
    }

    /** @param most tasks at most, 0 for all, negative for what is usual */
    static void run(Path model, Path file, TaskFormat format, int most, EvaluationOptions options) {
        Talk talk = options.talk();
        try (EvaluatedModel evaluated = EvaluatedModel.open(model)) {
            evaluated.requirePredictions();
            List<ChoiceTask> tasks = format.tasks(file, most, evaluated.tokenizer());
            talk.say(tasks.size() + " tasks");
            long begun = System.nanoTime();
            List<Map<String, Object>> answers = new ArrayList<>();
            @Nullable Tally[] tally = {null};
            try (CachedForward forward = CachedForward.of(
                            evaluated.source().model(), evaluated.pass(), options.context, options.threads());
                    var _ = Interruption.saying(() -> {
                        Tally now = tally[0];
                        if (now != null) {
                            System.out.println("interrupted: " + summary(format, now));
                        }
                    })) {
                TaskScoring.run(forward, format, tasks, options.context, (task, answer) -> {
                    Tally now = tally[0];
                    now = (now == null ? new Tally(0, 0, 0) : now).with(answer);
                    tally[0] = now;
                    if (options.json) {
                        answers.add(map(tasks.get(task), answer));
                    } else {
                        System.out.println(line(format, now, tasks.get(task), answer));
                    }
                });
            }
            Tally end = java.util.Objects.requireNonNull(tally[0]);
            if (options.json) {
                Map<String, Object> map = new LinkedHashMap<>();
                map.put("model", model.toString());
                map.put("file", file.toString());
                map.put("task", format.name().toLowerCase(Locale.ROOT).replace('_', '-'));
                map.put("tasks", end.tasks());
                map.put("right", end.right());
                map.put("score", end.share());
                map.put("error", end.error());
                map.put("interval_95", end.interval());
                map.put("chance", end.chance() / end.tasks());
                map.put("answers", answers);
                map.put("seconds", (System.nanoTime() - begun) / 1e9);
                map.put("peak_memory", PeakMemory.now().map());
                map.put("version", Version.text());
                System.out.println(Json.pretty(map));
            } else {
                System.out.println("\n" + summary(format, end));
                talk.say(PeakMemory.now().text());
            }
        }
    }

    /** A task's line as llama-perplexity prints it: share of right answers so far, and what the kind of task adds. */
    private static String line(TaskFormat format, Tally now, ChoiceTask task, TaskScoring.Answer answer) {
        double share = 100 * now.share();
        return switch (format) {
            case HELLASWAG ->
                String.format(
                        Locale.ROOT,
                        "%d\t%.8f%%\t[%.4f%%, %.4f%%]",
                        now.tasks(),
                        share,
                        100 * now.interval().getFirst(),
                        100 * now.interval().getLast());
            case WINOGRANDE ->
                String.format(
                        Locale.ROOT,
                        "%d\t%.4f\t%10.6f  %10.6f  %d  %d",
                        now.tasks(),
                        share,
                        answer.scores()[0],
                        answer.scores()[1],
                        answer.chosen() + 1,
                        task.right().iterator().next() + 1);
            case MULTIPLE_CHOICE -> String.format(Locale.ROOT, "%d\t%.8f", now.tasks(), share);
        };
    }

    private static String summary(TaskFormat format, Tally tally) {
        return String.format(
                Locale.ROOT,
                "%s: %.4f +/- %.4f %% of %d tasks right, 95 %% interval %.2f to %.2f %%, chance %.2f %%",
                format.name().toLowerCase(Locale.ROOT).replace('_', '-'),
                100 * tally.share(),
                100 * tally.error(),
                tally.tasks(),
                100 * tally.interval().getFirst(),
                100 * tally.interval().getLast(),
                100 * tally.chance() / tally.tasks());
    }

    private static Map<String, Object> map(ChoiceTask task, TaskScoring.Answer answer) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("where", task.where());
        map.put("scores", answer.scores());
        map.put("chosen", answer.chosen());
        map.put("right", task.right().stream().sorted().toList());
        return map;
    }
}
