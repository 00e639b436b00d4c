package dev.quern.pipeline;

import dev.quern.allocation.Allocation;
import dev.quern.allocation.Candidate;
import dev.quern.allocation.Choice;
import dev.quern.quantization.QuantType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongBiFunction;

/**
 * What types of tensors cost, as far as that is known: the divergence of a type that was tried in the model, and for the
 * others one in proportion to the squared error, from the type tried whose error is nearest. Single types stray from
 * that proportion by a factor of two either way, so that those that might be chosen are tried.
 */
final class TypeCosts {
    /** How far below its proportion a type's divergence may be found. */
    private static final double LUCK = 0.5;

    /** Types of a tensor that are tried before it is looked again which could matter. */
    private static final int AT_ONCE = 3;

    private final List<TypeCandidates> tensors;
    private final List<Map<QuantType, Double>> errors = new ArrayList<>();
    private final List<Map<QuantType, Double>> tried = new ArrayList<>();

    /**
     * What one type of one tensor costs.
     *
     * @param divergence nats
     * @param error Σ weight · (value - decoded value)² over some of its rows
     * @param tried whether the divergence was measured in the model
     */
    record Cost(double divergence, double error, boolean tried) {}

    /** A type of a tensor. */
    record Trial(int tensor, QuantType type) {}

    TypeCosts(List<TypeCandidates> tensors) {
        this.tensors = tensors;
        for (int i = 0; i < tensors.size(); i++) {
            errors.add(new EnumMap<>(QuantType.class));
            tried.add(new EnumMap<>(QuantType.class));
        }
    }

    /** @param error not finite where the type cannot hold the tensor's values, which then does not get it */
    void setError(int tensor, QuantType type, double error) {
        if (Double.isFinite(error)) {
            errors.get(tensor).put(type, error);
        }
    }

    void setDivergence(Trial trial, double divergence) {
        tried.get(trial.tensor).put(trial.type, divergence);
    }

    /** The types that a tensor can get with what they cost. */
    Map<QuantType, Cost> of(int tensor) {
        Map<QuantType, Cost> costs = new java.util.LinkedHashMap<>();
        for (QuantType type : tensors.get(tensor).types()) {
            Double measured = tried.get(tensor).get(type);
            Double error = errors.get(tensor).get(type);
            if (type == tensors.get(tensor).largest()) {
                costs.put(type, new Cost(0, 0, true));
            } else if (error != null) {
                costs.put(
                        type,
                        measured != null
                                ? new Cost(measured, error, true)
                                : new Cost(inProportion(tensor, error), error, false));
            }
        }
        return costs;
    }

    private double inProportion(int tensor, double error) {
        double nearest = Double.POSITIVE_INFINITY;
        double divergence = error;
        for (Map.Entry<QuantType, Double> one : tried.get(tensor).entrySet()) {
            double other = errors.get(tensor).getOrDefault(one.getKey(), 0.0);
            double distance = error > 0 && other > 0 ? Math.abs(Math.log(error / other)) : Double.MAX_VALUE;
            if (distance < nearest) {
                nearest = distance;
                divergence = other > 0 ? one.getValue() * error / other : one.getValue();
            }
        }
        return divergence;
    }

    /** @param bytes of a tensor as a type */
    List<Choice> choices(ToLongBiFunction<TypeCandidates, QuantType> bytes) {
        List<Choice> choices = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            TypeCandidates tensor = tensors.get(i);
            List<Candidate> candidates = new ArrayList<>();
            of(i).forEach((type, cost) ->
                    candidates.add(new Candidate(type, bytes.applyAsLong(tensor, type), cost.divergence())));
            choices.add(new Choice(tensor.tensor().name(), candidates));
        }
        return choices;
    }

    /** Of each tensor the type whose bits are nearest to those aimed at. */
    List<Trial> first(double bitsPerWeight) {
        List<Trial> trials = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            int tensor = i;
            errors.get(i).keySet().stream()
                    .min(Comparator.comparingDouble(type -> Math.abs(type.bitsPerWeight() - bitsPerWeight)))
                    .ifPresent(type -> trials.add(new Trial(tensor, type)));
        }
        return trials;
    }

    /**
     * Types that have not been tried and could turn out better, at the price of bytes, than what each tensor has.
     *
     * @param most types of a tensor that may be tried in all
     */
    List<Trial> worthTrying(List<Choice> choices, Allocation allocation, int most) {
        List<Trial> trials = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            Candidate chosen = allocation.chosen().get(i);
            Map<QuantType, Cost> costs = of(i);
            double limit = chosen.divergence() + allocation.price() * chosen.bytes();
            int tensor = i;
            choices.get(i).candidates().stream()
                    .filter(other -> !java.util.Objects.requireNonNull(costs.get(other.type()))
                            .tried())
                    .filter(other -> other.type() == chosen.type() || hopeful(other, allocation.price()) < limit)
                    .sorted(Comparator.comparing((Candidate other) -> other.type() != chosen.type())
                            .thenComparingDouble(other -> hopeful(other, allocation.price())))
                    .limit(Math.clamp(most - tried.get(i).size(), 0, AT_ONCE))
                    .forEach(other -> trials.add(new Trial(tensor, other.type())));
        }
        return trials;
    }

    private static double hopeful(Candidate candidate, double price) {
        return LUCK * candidate.divergence() + price * candidate.bytes();
    }
}
