package dev.quern.evaluation;

import dev.quern.io.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Has a model choose answers: the one whose scored tokens have the largest mean log probability. */
public final class TaskScoring {
    /**
     * @param scores mean log probability of each answer
     * @param chosen the largest; of equals the first, for Winogrande the second, as the peer takes them
     * @param right whether it is a right one
     */
    public record Answer(double[] scores, int chosen, boolean right) {}

    @FunctionalInterface
    public interface Listener {
        /** Called once for each task, in order, on the caller's thread. */
        void answered(int task, Answer answer);
    }

    private final CachedForward forward;
    private final List<ChoiceTask> tasks;
    private final boolean lastOfEquals;
    private final double[][] sums;
    private final Listener listener;

    private final List<CachedForward.Run> runs = new ArrayList<>();
    private final List<Pending> pending = new ArrayList<>();
    private int rows;
    private int answered;

    private record Pending(int row, int target, int task, int answer) {}

    private TaskScoring(CachedForward forward, List<ChoiceTask> tasks, boolean lastOfEquals, Listener listener) {
        this.forward = forward;
        this.tasks = tasks;
        this.lastOfEquals = lastOfEquals;
        this.listener = listener;
        this.sums = new double[tasks.size()][];
        Arrays.setAll(sums, i -> new double[tasks.get(i).sequences().size()]);
    }

    /**
     * @param forward with room for {@code positions} in a sequence
     * @throws InputException when a task is longer, or the model's logits are not finite
     */
    public static void run(
            CachedForward forward, TaskFormat format, List<ChoiceTask> tasks, int positions, Listener listener) {
        for (ChoiceTask task : tasks) {
            int longest = task.sequences().stream()
                    .mapToInt(tokens -> tokens.length)
                    .max()
                    .orElse(0);
            if (longest > Math.min(positions, CachedForward.MOST_TOKENS)) {
                throw InputException.of(
                                task.where(),
                                "the task has " + longest + " tokens, expected at most "
                                        + Math.min(positions, CachedForward.MOST_TOKENS))
                        .withHint("use a larger -c, up to " + CachedForward.MOST_TOKENS);
            }
        }
        new TaskScoring(forward, tasks, format == TaskFormat.WINOGRANDE, listener).score();
    }

    private void score() {
        forward.truncate(0);
        for (int task = 0; task < tasks.size(); task++) {
            if (rows + tasks.get(task).tokens() > CachedForward.MOST_TOKENS && rows > 0) {
                flush();
                answer(task);
                forward.truncate(0);
            }
            add(task);
        }
        flush();
        answer(tasks.size());
    }

    /** The common beginning once, then what each answer adds to it; a task may take several calls. */
    private void add(int number) {
        ChoiceTask task = tasks.get(number);
        int begin = forward.cells() + rows;
        int prefix = task.prefix();
        for (int s = -1; s < task.sequences().size(); s++) {
            int[] tokens = s < 0
                    ? Arrays.copyOf(task.sequences().getFirst(), prefix)
                    : Arrays.copyOfRange(
                            task.sequences().get(s), prefix, task.sequences().get(s).length);
            if (rows + tokens.length > CachedForward.MOST_TOKENS) {
                flush();
            }
            runs.add(new CachedForward.Run(tokens, begin, s < 0 ? begin : begin + prefix));
            for (int answer = 0; answer < task.asked().size(); answer++) {
                for (ChoiceTask.Asked asked : task.asked().get(answer)) {
                    boolean shared = asked.position() < prefix;
                    if (s < 0 ? shared : !shared && asked.sequence() == s) {
                        int row = rows + asked.position() - (s < 0 ? 0 : prefix);
                        pending.add(new Pending(row, asked.target(), number, answer));
                    }
                }
            }
            rows += tokens.length;
        }
    }

    private void flush() {
        if (runs.isEmpty()) {
            return;
        }
        double[] improbabilities = forward.improbabilities(
                runs,
                pending.stream().mapToInt(Pending::row).toArray(),
                pending.stream().mapToInt(Pending::target).toArray());
        for (int i = 0; i < improbabilities.length; i++) {
            Pending asked = pending.get(i);
            if (!Double.isFinite(improbabilities[i])) {
                throw InputException.of(tasks.get(asked.task()).where(), "the model's logits are not finite")
                        .withHint("the weights hold NaN or infinities, or overflow in float");
            }
            sums[asked.task()][asked.answer()] -= improbabilities[i];
        }
        runs.clear();
        pending.clear();
        rows = 0;
    }

    /** Tells of the tasks before {@code end}, all of whose answers are scored. */
    private void answer(int end) {
        for (; answered < end; answered++) {
            ChoiceTask task = tasks.get(answered);
            double[] scores = sums[answered];
            int best = 0;
            for (int i = 0; i < scores.length; i++) {
                scores[i] /= task.asked().get(i).size();
                if (scores[i] > scores[best] || lastOfEquals && scores[i] == scores[best]) {
                    best = i;
                }
            }
            listener.answered(answered, new Answer(scores, best, task.right().contains(best)));
        }
    }
}
