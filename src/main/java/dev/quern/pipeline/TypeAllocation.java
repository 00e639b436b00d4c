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
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
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
                            ? "a larger target, or lower floors (--floor REGEX=TYPE)"
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
     * One of the decided tensors.
     *
     * @param costs of its candidates
     */
    public record Decided(TypeCandidates tensor, Candidate chosen, SequencedMap<QuantType, TypeInfluence.Cost> costs) {}

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

    /**
     * @param costs for each tensor of {@link #tensors}, in order
     * @throws RefusedException when the target cannot be reached after all
     */
    public Result decide(List<SequencedMap<QuantType, TypeInfluence.Cost>> costs) {
        List<Choice> choices = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            TypeCandidates tensor = tensors.get(i);
            List<Candidate> candidates = new ArrayList<>();
            costs.get(i)
                    .forEach((type, cost) ->
                            candidates.add(new Candidate(type, padded(tensor, type), cost.divergence())));
            choices.add(new Choice(tensor.tensor().name(), candidates));
        }
        long most = target.most(base);
        long budget = most - overhead(target);
        while (true) {
            Allocation allocation = Allocator.solve(choices, budget)
                    .orElseThrow(() -> refused("cannot be as small as " + asked, "a larger target"));
            QuantizationOptions decided = options.with(options.mix().with(overrides(choices, costs, allocation)));
            long over = target.of(plans.apply(decided)) - most;
            if (over <= 0) {
                return result(decided, choices, costs, allocation);
            }
            // Another cut into parts has other headers.
            budget -= over;
        }
    }

    private Result result(
            QuantizationOptions decided,
            List<Choice> choices,
            List<SequencedMap<QuantType, TypeInfluence.Cost>> costs,
            Allocation allocation) {
        List<Decided> result = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            result.add(new Decided(tensors.get(i), allocation.chosen().get(i), costs.get(i)));
        }
        Point wanted = point(allocation, true);
        List<Point> frontier = new ArrayList<>();
        for (double share : AROUND) {
            if (share == 1) {
                frontier.add(wanted);
            } else {
                Allocator.solve(choices, (long) (share * wanted.fileBytes()) - fileOverhead())
                        .map(other -> point(other, false))
                        .filter(other -> frontier.isEmpty() || other.fileBytes() > frontier.getLast().fileBytes())
                        .ifPresent(frontier::add);
            }
        }
        return new Result(decided, List.copyOf(result), wanted, List.copyOf(frontier));
    }

    private Point point(Allocation allocation, boolean wanted) {
        long data = base.stream()
                .flatMap(plan -> plan.tensors().stream())
                .mapToLong(PlannedTensor::bytes)
                .sum();
        Map<String, PlannedTensor> planned = new java.util.HashMap<>();
        base.forEach(plan -> plan.tensors().forEach(tensor -> planned.put(tensor.name(), tensor)));
        for (int i = 0; i < tensors.size(); i++) {
            TypeCandidates tensor = tensors.get(i);
            data += tensor.bytes(allocation.chosen().get(i).type());
            data -= java.util.Objects.requireNonNull(
                            planned.get(tensor.tensor().name()))
                    .bytes();
        }
        long parameters = base.stream().mapToLong(OutputPlan::parameters).sum();
        return new Point(
                fileOverhead() + allocation.bytes(),
                8.0 * data / Math.max(1, parameters),
                allocation.divergence(),
                allocation.gap(),
                wanted);
    }

    private List<MixOptions.TypeOverride> overrides(
            List<Choice> choices,
            List<SequencedMap<QuantType, TypeInfluence.Cost>> costs,
            Allocation allocation) {
        List<MixOptions.TypeOverride> overrides = new ArrayList<>();
        for (int i = 0; i < choices.size(); i++) {
            Candidate chosen = allocation.chosen().get(i);
            overrides.add(new MixOptions.TypeOverride(
                    Pattern.compile(TensorTypeFile.pattern(choices.get(i).tensor())),
                    chosen.type(),
                    reason(choices.get(i), chosen, costs.get(i))));
        }
        return overrides;
    }

    /** Why a tensor has its type: what it costs, and what the next larger one would spare. */
    private static String reason(
            Choice choice, Candidate chosen, SequencedMap<QuantType, TypeInfluence.Cost> costs) {
        if (chosen.divergence() == 0) {
            return "target: costs nothing";
        }
        boolean measured = Optional.ofNullable(costs.get(chosen.type()))
                .map(TypeInfluence.Cost::measured)
                .orElse(false);
        String cost = String.format(Locale.ROOT, "target: %.2e nats%s", chosen.divergence(), measured ? "" : " (from its error)");
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
