package dev.quern.pipeline;

import dev.quern.allocation.Allocation;
import dev.quern.allocation.Allocator;
import dev.quern.allocation.Candidate;
import dev.quern.allocation.Choice;
import dev.quern.allocation.Floors;
import dev.quern.io.RefusedException;
import dev.quern.quantization.FileType;
import dev.quern.quantization.MixOptions;
import dev.quern.quantization.QuantType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Chooses the types with which a model of a wanted size loses least. What neither the user has said nor the file type's
 * rules keep is decided; sizes are those of the outputs as they will be written, header, padding and all.
 */
public final class TypeAllocation {
    /** Sizes of the frontier's points, as shares of what is wanted. */
    private static final double[] AROUND = {0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.35, 1.5};

    private final Source source;
    private final QuantizationOptions options;
    private final SizeTarget target;
    private final Function<QuantizationOptions, List<OutputPlan>> plans;
    private final String asked;
    private final List<TypeCandidates> tensors;
    private final List<OutputPlan> base;

    private TypeAllocation(
            Source source,
            QuantizationOptions options,
            SizeTarget target,
            Function<QuantizationOptions, List<OutputPlan>> plans,
            String asked,
            List<TypeCandidates> tensors) {
        this.source = source;
        this.options = options;
        this.target = target;
        this.plans = plans;
        this.asked = asked;
        this.tensors = List.copyOf(tensors);
        this.base = plans.apply(options);
    }

    /**
     * @param file decides the file's type key, and the types of what is not decided here
     * @param plans makes the outputs, all parts of one model
     * @param asked the option and its value, for messages
     * @throws RefusedException when the target cannot be reached, or leaves nothing to decide
     */
    public static TypeAllocation of(
            Source source,
            FileType file,
            QuantizationOptions options,
            Floors floors,
            SizeTarget target,
            Function<QuantizationOptions, List<OutputPlan>> plans,
            String asked) {
        List<TypeCandidates> tensors = Quantization.undecided(source, file, options).stream()
                .map(tensor -> TypeCandidates.of(tensor, options.allowRequantize(), floors))
                .toList();
        TypeAllocation allocation = new TypeAllocation(source, options, target, plans, asked, tensors);
        allocation.requirePossible();
        return allocation;
    }

    /** The tensors that are decided, with their candidates. */
    public List<TypeCandidates> tensors() {
        return tensors;
    }

    /** Bits for a weight that the decided tensors may have on average. */
    public double bitsPerWeight() {
        long values = tensors.stream()
                .mapToLong(tensor -> tensor.tensor().shape().elements())
                .sum();
        return 8.0 * (target.most(base) - overhead(target)) / Math.max(1, values);
    }

    /** File bytes, all parts together, with every decided tensor at its smallest candidate. */
    public long leastFileBytes() {
        return fileOverhead() + smallest();
    }

    /** File bytes of what is wanted, all parts together, at most. */
    public long wantedFileBytes() {
        return fileOverhead() + target.most(base) - overhead(target);
    }

    /** File bytes, all parts together, with every decided tensor at the type it has. */
    public long mostFileBytes() {
        return fileOverhead() + largest();
    }

    private long padded(TypeCandidates tensor, QuantType type) {
        return base.getFirst().layout().padded(tensor.bytes(type));
    }

    private long smallest() {
        return tensors.stream()
                .mapToLong(tensor -> padded(tensor, tensor.smallest()))
                .sum();
    }

    private long largest() {
        return tensors.stream()
                .mapToLong(tensor -> padded(tensor, tensor.largest()))
                .sum();
    }

    /** What the outputs take besides the decided tensors. */
    private long overhead(SizeTarget measure) {
        Set<String> decided = new HashSet<>();
        tensors.forEach(tensor -> decided.add(tensor.tensor().name()));
        long theirs = base.stream()
                .flatMap(plan -> plan.tensors().stream())
                .filter(tensor -> decided.contains(tensor.name()))
                .mapToLong(tensor -> base.getFirst().layout().padded(tensor.bytes()))
                .sum();
        return measure.of(base) - theirs;
    }

    private long fileOverhead() {
        return overhead(new SizeTarget.FileBytes(0));
    }

    private void requirePossible() {
        if (tensors.isEmpty()) {
            throw refused("has no tensor whose type is left to " + asked, "leave the option out");
        }
        long most = target.most(base);
        long overhead = overhead(target);
        if (overhead + smallest() > most) {
            boolean floored = tensors.stream().anyMatch(TypeCandidates::floored);
            throw refused(
                    "cannot be as small as " + asked + ": with every tensor at its smallest candidate"
                            + (floored ? " above its floor" : "") + " it is " + size(overhead + smallest()),
                    floored
                            ? "a larger target, or lower floors (--floor REGEX=TYPE; in a recipe floors: {REGEX: TYPE})"
                            : "a larger target; an importance matrix allows smaller types");
        }
        if (overhead + largest() <= most) {
            throw refused(
                    "is " + size(overhead + largest()) + " with every tensor as it is, which " + asked
                            + " leaves room for",
                    "a smaller target, or none");
        }
    }

    /** In the target's own measure. */
    private String size(long bytes) {
        return switch (target) {
            case SizeTarget.FileBytes _ -> bytes + " bytes";
            case SizeTarget.BitsPerWeight _ ->
                String.format(
                        Locale.ROOT,
                        "%.4f bits per weight",
                        8.0
                                * bytes
                                / Math.max(
                                        1,
                                        base.stream()
                                                .mapToLong(OutputPlan::parameters)
                                                .sum()));
        };
    }

    private RefusedException refused(String problem, String hint) {
        Path path = source.path();
        return new RefusedException(path, problem, hint);
    }

    /**
     * What one type of one tensor costs.
     *
     * @param bytes of its data
     * @param divergence nats, of the model in which this tensor alone has this type
     * @param tried whether that was measured in the model, and not taken from the squared error
     */
    public record Option(QuantType type, long bytes, double divergence, boolean tried) {}

    /**
     * One of the decided tensors.
     *
     * @param reason why it has its type: what that costs, and what the next larger one would spare
     * @param options all types that it could have got
     */
    public record Decided(String tensor, Candidate chosen, String reason, List<Option> options) {}

    /** What gives a tensor, and no other one, a type that was decided. */
    public static MixOptions.TypeOverride override(String tensor, QuantType type, String reason) {
        return new MixOptions.TypeOverride(Pattern.compile(TensorTypeFile.pattern(tensor)), type, reason);
    }

    /**
     * A size, and the least predicted divergence of that size.
     *
     * @param fileBytes all parts together
     * @param bitsPerWeight of tensor data
     * @param divergence predicted, nats: the sum of the single tensors'
     * @param gap by how much at most there could be a better one, as a share; proven
     * @param wanted whether this is what was asked for
     */
    public record Point(long fileBytes, double bitsPerWeight, double divergence, double gap, boolean wanted) {}

    /**
     * What was decided.
     *
     * @param options with the types in them, behind what the user said
     * @param frontier by size
     */
    public record Result(QuantizationOptions options, List<Decided> tensors, Point point, List<Point> frontier) {}

    /** Hears how far the trials are. */
    public interface Listener {
        /** @param trials in this round; which types the next one tries depends on what this one finds */
        void round(String what, long trials);

        void done();
    }

    /**
     * Tries types and decides.
     *
     * @param mostTypes of each tensor that are tried in the model
     * @throws RefusedException when the target cannot be reached after all
     */
    public Result decide(TypeInfluence influence, int mostTypes, Listener listener) {
        TypeCosts costs = new TypeCosts(tensors);
        listener.round("errors of types", tensors.size());
        for (int i = 0; i < tensors.size(); i++) {
            TypeCandidates tensor = tensors.get(i);
            for (QuantType type : tensor.types()) {
                if (type != tensor.largest()) {
                    costs.setError(i, type, influence.error(tensor, type));
                }
            }
            listener.done();
        }
        List<TypeCosts.Trial> trials = costs.first(bitsPerWeight());
        List<Choice> choices;
        Found found;
        do {
            listener.round("trying types", trials.size());
            trials.stream()
                    .sorted(Comparator.comparingInt(trial -> influence.depth(tensors.get(trial.tensor()))))
                    .forEachOrdered(trial -> {
                        costs.setDivergence(trial, influence.divergence(tensors.get(trial.tensor()), trial.type()));
                        listener.done();
                    });
            choices = costs.choices(this::padded);
            found = find(choices, costs);
            trials = costs.worthTrying(choices, found.allocation, mostTypes);
        } while (!trials.isEmpty());
        return result(found, choices, costs);
    }

    private record Found(Allocation allocation, QuantizationOptions options) {}

    private Found find(List<Choice> choices, TypeCosts costs) {
        long most = target.most(base);
        long budget = most - overhead(target);
        while (true) {
            Allocation allocation = Allocator.solve(choices, budget)
                    .orElseThrow(() -> refused("cannot be as small as " + asked, "a larger target"));
            QuantizationOptions decided = options.with(options.mix().with(overrides(choices, costs, allocation)));
            long over = target.of(plans.apply(decided)) - most;
            if (over <= 0) {
                return new Found(allocation, decided);
            }
            // Another cut into parts has other headers.
            budget -= over;
        }
    }

    private Result result(Found found, List<Choice> choices, TypeCosts costs) {
        List<Decided> result = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            TypeCandidates tensor = tensors.get(i);
            List<Option> all = new ArrayList<>();
            costs.of(i)
                    .forEach((type, cost) ->
                            all.add(new Option(type, tensor.bytes(type), cost.divergence(), cost.tried())));
            result.add(new Decided(
                    tensor.tensor().name(),
                    found.allocation.chosen().get(i),
                    reason(i, choices, costs, found.allocation),
                    List.copyOf(all)));
        }
        Point wanted = point(found.allocation, true);
        List<Point> frontier = new ArrayList<>();
        for (double share : AROUND) {
            if (share == 1) {
                frontier.add(wanted);
            } else {
                Allocator.solve(choices, (long) (share * wanted.fileBytes()) - fileOverhead())
                        .map(other -> point(other, false))
                        .filter(other -> frontier.isEmpty()
                                || other.fileBytes() > frontier.getLast().fileBytes())
                        .ifPresent(frontier::add);
            }
        }
        return new Result(found.options, List.copyOf(result), wanted, List.copyOf(frontier));
    }

    private Point point(Allocation allocation, boolean wanted) {
        long data = base.stream()
                .flatMap(plan -> plan.tensors().stream())
                .mapToLong(PlannedTensor::bytes)
                .sum();
        Map<String, PlannedTensor> planned = new HashMap<>();
        base.forEach(plan -> plan.tensors().forEach(tensor -> planned.put(tensor.name(), tensor)));
        for (int i = 0; i < tensors.size(); i++) {
            TypeCandidates tensor = tensors.get(i);
            data += tensor.bytes(allocation.chosen().get(i).type());
            data -= Objects.requireNonNull(planned.get(tensor.tensor().name())).bytes();
        }
        long parameters = base.stream().mapToLong(OutputPlan::parameters).sum();
        return new Point(
                fileOverhead() + allocation.bytes(),
                8.0 * data / Math.max(1, parameters),
                allocation.divergence(),
                allocation.gap(),
                wanted);
    }

    private List<MixOptions.TypeOverride> overrides(List<Choice> choices, TypeCosts costs, Allocation allocation) {
        List<MixOptions.TypeOverride> overrides = new ArrayList<>();
        for (int i = 0; i < choices.size(); i++) {
            overrides.add(override(
                    choices.get(i).tensor(), allocation.chosen().get(i).type(), reason(i, choices, costs, allocation)));
        }
        return overrides;
    }

    private static String reason(int tensor, List<Choice> choices, TypeCosts costs, Allocation allocation) {
        Candidate chosen = allocation.chosen().get(tensor);
        TypeCosts.Cost cost = Objects.requireNonNull(costs.of(tensor).get(chosen.type()));
        return reason(choices.get(tensor), chosen, cost.tried());
    }

    private static String reason(Choice choice, Candidate chosen, boolean tried) {
        String cost =
                String.format(Locale.ROOT, "target: %.2e nats%s", chosen.divergence(), tried ? "" : " by its error");
        return choice.efficient().stream()
                .filter(other -> other.bytes() > chosen.bytes())
                .findFirst()
                .map(next -> String.format(
                        Locale.ROOT,
                        "%s; %s would spare %.2e for %d bytes",
                        cost,
                        next.type(),
                        chosen.divergence() - next.divergence(),
                        next.bytes() - chosen.bytes()))
                .orElse(cost);
    }
}
