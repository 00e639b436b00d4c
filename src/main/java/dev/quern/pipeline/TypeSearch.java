package dev.quern.pipeline;

import dev.quern.allocation.Floors;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.RefusedException;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Function;

/** Finds the types with which a model of a wanted size loses least, on a text. */
public final class TypeSearch {
    /** Positions at a window's beginning that are not asked: with so little before them they say little. */
    private static final int UNASKED = 8;

    private final Source source;
    private final EvaluatedModel model;
    private final TypeAllocation allocation;
    private final Method method;
    private final Windows text;
    private final TypeInfluence.Effort effort;
    private final String asked;

    private TypeSearch(
            Source source,
            EvaluatedModel model,
            TypeAllocation allocation,
            Method method,
            Windows text,
            TypeInfluence.Effort effort,
            String asked) {
        this.source = source;
        this.model = model;
        this.allocation = allocation;
        this.method = method;
        this.text = text;
        this.effort = effort;
        this.asked = asked;
    }

    /**
     * @param file decides the file's type key, and the types of what is not decided here
     * @param options what the user says of types, and how codes are chosen
     * @param plans makes the outputs as they will be written, all parts of one model
     * @param text on which types are tried
     * @param context tokens in a window of it
     * @param asked the option and its value, for messages
     * @throws RefusedException when the target cannot be reached, or leaves nothing to decide
     * @throws dev.quern.io.InputException when the model cannot be evaluated, or the text is too short
     */
    public static TypeSearch of(
            Source source,
            FileType file,
            QuantizationOptions options,
            WantedSize wanted,
            Function<QuantizationOptions, List<OutputPlan>> plans,
            Text text,
            int context,
            String asked) {
        TypeAllocation allocation = possible(source, file, options, wanted, plans, asked);
        EvaluatedModel model = EvaluatedModel.of(source);
        model.requirePredictions();
        Windows all = model.windows(text, context, Integer.MAX_VALUE);
        TypeInfluence.Effort affordable =
                TypeInfluence.Effort.affordable(source, allocation.tensors(), all.count(), all.length());
        TypeInfluence.Effort effort = new TypeInfluence.Effort(
                Math.min(wanted.windows().orElse(affordable.windows()), all.count()),
                wanted.types().orElse(affordable.types()));
        return new TypeSearch(source, model, allocation, options.method(), all, effort, asked);
    }

    /**
     * What there is to decide, without a text; the parameters as for {@link #of}.
     *
     * @throws RefusedException when the target cannot be reached, or leaves nothing to decide
     */
    public static TypeAllocation possible(
            Source source,
            FileType file,
            QuantizationOptions options,
            WantedSize wanted,
            Function<QuantizationOptions, List<OutputPlan>> plans,
            String asked) {
        if (!file.base().isQuantized()) {
            throw new RefusedException(
                    source.path(),
                    asked + " needs a quantized TYPE, and " + file + " is none",
                    "the type of most tensors, such as Q4_K_M");
        }
        return TypeAllocation.of(source, file, options, Floors.of(wanted.floors()), wanted.target(), plans, asked);
    }

    /** What is decided, and among what. */
    public TypeAllocation allocation() {
        return allocation;
    }

    /** Single types of single tensors that go through the model, at most. */
    public long mostTrials() {
        return effort.most(allocation.tensors());
    }

    /** Windows of the text on which they do. */
    public int windows() {
        return effort.windows();
    }

    private String where() {
        return String.format(
                Locale.ROOT,
                "%d tensors on %d windows of %d tokens",
                allocation.tensors().size(),
                effort.windows(),
                text.length());
    }

    /** What a dry run can say, which tries nothing. */
    public String planned() {
        return asked + " decides after trying up to " + mostTrials() + " types of " + where();
    }

    /** Sizes that are possible at all. */
    public String possible() {
        return "from " + allocation.leastFileBytes() + " to " + allocation.mostFileBytes() + " bytes";
    }

    /**
     * Tries types and decides.
     *
     * @param progress of the rounds, tensor by tensor
     * @param said is told, in a line, what was tried
     * @throws RefusedException when the target cannot be reached after all
     */
    public TypeAllocation.Result run(Kernel kernel, int threads, Progress progress, Consumer<String> said) {
        Trials trials = new Trials(progress);
        long begun = System.nanoTime();
        TypeAllocation.Result result;
        try (TypeInfluence influence = TypeInfluence.open(
                source,
                model.pass(),
                text.spread(effort.windows(), Math.min(UNASKED, text.length() / 2)),
                TypeInfluence.encoder(kernel, method),
                threads)) {
            result = allocation.decide(influence, effort.types(), trials);
        } finally {
            trials.end();
        }
        said.accept(String.format(
                Locale.ROOT,
                "%s: tried %d types of %s, %.1f s",
                text.origin(),
                trials.tried,
                where(),
                (System.nanoTime() - begun) / 1e9));
        return result;
    }

    private static final class Trials implements TypeAllocation.Listener {
        private final Progress progress;
        private boolean begun;
        private long tried;

        Trials(Progress progress) {
            this.progress = progress;
        }

        @Override
        public void round(String what, long trials) {
            end();
            // What comes first computes errors, and tries nothing.
            tried += begun ? trials : 0;
            begun = true;
            progress.begin(what, trials);
        }

        @Override
        public void done() {
            progress.advance(1);
        }

        void end() {
            if (begun) {
                progress.end();
            }
        }
    }
}
