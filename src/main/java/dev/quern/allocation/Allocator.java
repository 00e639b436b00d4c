package dev.quern.allocation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * The multiple-choice knapsack: of each tensor's candidates one, so that the bytes stay within a budget and the sum of
 * divergences is least.
 *
 * <p>The relaxed problem, in which a tensor may have parts of two types, is solved by taking steps in the order of what
 * they spare for a byte; the price of the step that no longer fits gives a lower bound for every completion of every
 * partial allocation. Partial allocations are then built tensor by tensor, and those are dropped that another one of no
 * more bytes beats, or whose bound is not below the best allocation known (Nemhauser and Ullmann's lists with bounds;
 * Kellerer, Pferschy, Pisinger, Knapsack Problems, chapter 11). What is left at the end is the best there is. Where the
 * lists grow beyond all bounds those with the largest lower bounds go too, and the least of these bounds is how good an
 * allocation could still be.
 */
public final class Allocator {
    /** Partial allocations that are kept side by side, and of all tensors together, where each takes five bytes. */
    private static final int MOST_PARTIAL = 50_000;

    private static final int MOST_TRACED = 20_000_000;

    private Allocator() {}

    /**
     * @param budget bytes that all together may take
     * @return empty when even the smallest candidates take more
     */
    public static Optional<Allocation> solve(List<Choice> choices, long budget) {
        return solve(choices, budget, Math.clamp(MOST_TRACED / Math.max(1, choices.size()), 1, MOST_PARTIAL));
    }

    /** @param mostPartial partial allocations that are kept; with fewer the result is still an allocation with its bound */
    static Optional<Allocation> solve(List<Choice> choices, long budget, int mostPartial) {
        long least = choices.stream().mapToLong(Choice::leastBytes).sum();
        return least > budget ? Optional.empty() : Optional.of(new Search(choices, budget, mostPartial).run());
    }

    /** A step up from one candidate of a tensor to a larger one on the convex hull. */
    private record Step(int tensor, int to, long bytes, double spared) {
        double perByte() {
            return spared / bytes;
        }
    }

    /** Partial allocations of the first tensors, by bytes; each costs less than those of fewer bytes. */
    @SuppressWarnings("ArrayRecordComponent")
    private record Partial(int size, long[] bytes, double[] cost, int[] before, byte[] picked) {
        static Partial of(int capacity) {
            return new Partial(0, new long[capacity], new double[capacity], new int[capacity], new byte[capacity]);
        }

        Partial cut(int newSize) {
            return new Partial(
                    newSize,
                    Arrays.copyOf(bytes, newSize),
                    Arrays.copyOf(cost, newSize),
                    Arrays.copyOf(before, newSize),
                    Arrays.copyOf(picked, newSize));
        }
    }

    /** What remains of partial allocations when those of one tensor more are there. */
    @SuppressWarnings("ArrayRecordComponent")
    private record Trace(int[] before, byte[] picked) {}

    private static final class Search {
        private final List<List<Candidate>> tensors = new ArrayList<>();
        private final long budget;
        private final int mostPartial;

        /** Of the tensors from an index on: the least of cost plus price times bytes, and what has it. */
        private final double[] restBound;

        private final long[] restBytes;
        private final double[] restCost;
        private final long[] restLeast;
        private final int[] atPrice;
        private final double price;

        private int[] best;
        private double bestCost;
        private double droppedBound = Double.POSITIVE_INFINITY;

        Search(List<Choice> choices, long budget, int mostPartial) {
            for (Choice choice : choices) {
                tensors.add(choice.efficient());
            }
            this.budget = budget;
            this.mostPartial = mostPartial;
            int n = tensors.size();
            this.best = new int[n];
            this.price = relax();
            this.bestCost = cost(best);
            this.atPrice = new int[n];
            this.restBound = new double[n + 1];
            this.restBytes = new long[n + 1];
            this.restCost = new double[n + 1];
            this.restLeast = new long[n + 1];
            for (int i = n - 1; i >= 0; i--) {
                List<Candidate> candidates = tensors.get(i);
                int at = 0;
                for (int k = 1; k < candidates.size(); k++) {
                    if (priced(candidates.get(k)) < priced(candidates.get(at))) {
                        at = k;
                    }
                }
                atPrice[i] = at;
                Candidate chosen = candidates.get(at);
                restBound[i] = restBound[i + 1] + priced(chosen);
                restBytes[i] = restBytes[i + 1] + chosen.bytes();
                restCost[i] = restCost[i + 1] + chosen.divergence();
                restLeast[i] = restLeast[i + 1] + candidates.getFirst().bytes();
            }
        }

        private double priced(Candidate candidate) {
            return candidate.divergence() + price * candidate.bytes();
        }

        private double cost(int[] picked) {
            double sum = 0;
            for (int i = 0; i < picked.length; i++) {
                sum += tensors.get(i).get(picked[i]).divergence();
            }
            return sum;
        }

        private long bytes(int[] picked) {
            long sum = 0;
            for (int i = 0; i < picked.length; i++) {
                sum += tensors.get(i).get(picked[i]).bytes();
            }
            return sum;
        }

        /** Fills {@link #best} step by step, the dearest first; returns the price of the first step that does not fit. */
        private double relax() {
            List<Step> steps = new ArrayList<>();
            for (int i = 0; i < tensors.size(); i++) {
                hull(i, steps);
            }
            // Steps of one tensor get cheaper from one to the next, so that their order stays.
            steps.sort(Comparator.comparingDouble(Step::perByte).reversed());
            long left = budget - bytes(best);
            double first = 0;
            boolean[] stuck = new boolean[tensors.size()];
            for (Step step : steps) {
                if (stuck[step.tensor]) {
                    continue;
                }
                if (step.bytes <= left) {
                    best[step.tensor] = step.to;
                    left -= step.bytes;
                } else {
                    stuck[step.tensor] = true;
                    first = first == 0 ? step.perByte() : first;
                }
            }
            return first;
        }

        private void hull(int tensor, List<Step> steps) {
            List<Candidate> candidates = tensors.get(tensor);
            int at = 0;
            while (at < candidates.size() - 1) {
                Step steepest = null;
                for (int to = at + 1; to < candidates.size(); to++) {
                    Step step = new Step(
                            tensor,
                            to,
                            candidates.get(to).bytes() - candidates.get(at).bytes(),
                            candidates.get(at).divergence() - candidates.get(to).divergence());
                    if (steepest == null || step.perByte() >= steepest.perByte()) {
                        steepest = step;
                    }
                }
                steps.add(java.util.Objects.requireNonNull(steepest));
                at = steepest.to;
            }
        }

        Allocation run() {
            if (price > 0) {
                search();
            }
            List<Candidate> chosen = new ArrayList<>();
            for (int i = 0; i < best.length; i++) {
                chosen.add(tensors.get(i).get(best[i]));
            }
            return new Allocation(chosen, bytes(best), bestCost, Math.min(bestCost, droppedBound), price);
        }

        private void search() {
            List<Trace> traces = new ArrayList<>();
            Partial now = Partial.of(1).cut(1);
            for (int i = 0; i < tensors.size() && now.size > 0; i++) {
                now = thinned(extended(now, i), i + 1);
                traces.add(new Trace(now.before, now.picked));
                complete(now, traces, i + 1);
            }
        }

        /** Every partial allocation with every candidate of the next tensor. */
        private Partial extended(Partial from, int tensor) {
            Partial all = Partial.of(0);
            List<Candidate> candidates = tensors.get(tensor);
            for (int k = 0; k < candidates.size(); k++) {
                all = merged(all, shifted(from, candidates.get(k), k, tensor + 1));
            }
            return all;
        }

        private Partial shifted(Partial from, Candidate candidate, int picked, int next) {
            Partial out = Partial.of(from.size);
            int count = 0;
            for (int i = 0; i < from.size; i++) {
                long bytes = from.bytes[i] + candidate.bytes();
                double cost = from.cost[i] + candidate.divergence();
                if (bytes + restLeast[next] <= budget && bound(bytes, cost, next) < bestCost) {
                    out.bytes[count] = bytes;
                    out.cost[count] = cost;
                    out.before[count] = i;
                    out.picked[count] = (byte) picked;
                    count++;
                }
            }
            return out.cut(count);
        }

        /** What no completion can be below. */
        private double bound(long bytes, double cost, int next) {
            return cost + restBound[next] - price * (budget - bytes);
        }

        private static Partial merged(Partial a, Partial b) {
            Partial out = Partial.of(a.size + b.size);
            int count = 0;
            int i = 0;
            int j = 0;
            double least = Double.POSITIVE_INFINITY;
            while (i < a.size || j < b.size) {
                boolean first = j == b.size
                        || i < a.size
                                && (a.bytes[i] < b.bytes[j] || a.bytes[i] == b.bytes[j] && a.cost[i] <= b.cost[j]);
                Partial from = first ? a : b;
                int at = first ? i++ : j++;
                if (from.cost[at] < least) {
                    least = from.cost[at];
                    out.bytes[count] = from.bytes[at];
                    out.cost[count] = from.cost[at];
                    out.before[count] = from.before[at];
                    out.picked[count] = from.picked[at];
                    count++;
                }
            }
            return out.cut(count);
        }

        private Partial thinned(Partial partial, int next) {
            if (partial.size <= mostPartial) {
                return partial;
            }
            double[] bounds = new double[partial.size];
            for (int i = 0; i < partial.size; i++) {
                bounds[i] = bound(partial.bytes[i], partial.cost[i], next);
            }
            double[] sorted = bounds.clone();
            Arrays.sort(sorted);
            double limit = sorted[mostPartial];
            int count = 0;
            Partial out = Partial.of(partial.size);
            for (int i = 0; i < partial.size; i++) {
                if (bounds[i] < limit) {
                    out.bytes[count] = partial.bytes[i];
                    out.cost[count] = partial.cost[i];
                    out.before[count] = partial.before[i];
                    out.picked[count] = partial.picked[i];
                    count++;
                }
            }
            droppedBound = Math.min(droppedBound, limit);
            return out.cut(count);
        }

        /** Takes the best allocation there is when the remaining tensors get what the price says. */
        private void complete(Partial last, List<Trace> traces, int next) {
            int found = -1;
            for (int i = 0; i < last.size; i++) {
                double cost = last.cost[i] + restCost[next];
                if (last.bytes[i] + restBytes[next] <= budget && cost < bestCost) {
                    bestCost = cost;
                    found = i;
                }
            }
            if (found < 0) {
                return;
            }
            int[] picked = atPrice.clone();
            for (int level = next - 1; level >= 0; level--) {
                picked[level] = traces.get(level).picked[found];
                found = traces.get(level).before[found];
            }
            best = picked;
            bestCost = cost(best);
        }
    }
}
