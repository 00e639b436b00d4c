package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;
import java.util.Arrays;

/**
 * Which tokens go through which experts. Each expert's tokens have slots one after the other, from a multiple of {@link
 * Tile#ROWS} on, in the tokens' order.
 *
 * @param slots all slots, unused ones among them
 * @param first each expert's first slot
 * @param counts each expert's tokens
 * @param tokens the token of each slot; -1 for none
 * @param shares what the expert's result counts for that token
 */
@SuppressWarnings("ArrayRecordComponent")
record Routing(int slots, int[] first, int[] counts, int[] tokens, float[] shares) {

    /** @param logits of the router, a row for each token */
    static Routing of(Hyperparameters.Experts rule, float[] bias, Blocked logits) {
        int rows = logits.rows();
        int used = rule.used();
        int[] chosen = new int[Math.multiplyExact(rows, used)];
        float[] weights = new float[chosen.length];
        Chooser chooser = new Chooser(rule, bias);
        for (int row = 0; row < rows; row++) {
            logits.read(row, 0, rule.count(), chooser.logits, 0);
            chooser.choose(chosen, weights, row * used);
        }
        int[] counts = new int[rule.count()];
        for (int expert : chosen) {
            counts[expert]++;
        }
        int[] first = new int[counts.length];
        int slots = 0;
        for (int expert = 0; expert < counts.length; expert++) {
            first[expert] = slots;
            slots += Packed.padded(counts[expert]);
        }
        int[] tokens = new int[slots];
        Arrays.fill(tokens, -1);
        float[] shares = new float[slots];
        int[] next = first.clone();
        for (int i = 0; i < chosen.length; i++) {
            int slot = next[chosen[i]]++;
            tokens[slot] = i / used;
            shares[slot] = weights[i];
        }
        return new Routing(slots, first, counts, tokens, shares);
    }

    int experts() {
        return counts.length;
    }

    /** One token's choice at a time. */
    private static final class Chooser {
        private final Hyperparameters.Experts rule;
        private final float[] bias;
        final float[] logits;
        private final double[] probabilities;
        private final double[] scores;

        Chooser(Hyperparameters.Experts rule, float[] bias) {
            this.rule = rule;
            this.bias = bias;
            this.logits = new float[rule.count()];
            this.probabilities = new double[rule.count()];
            this.scores = new double[rule.count()];
        }

        void choose(int[] chosen, float[] weights, int at) {
            switch (rule.gating()) {
                case SOFTMAX -> softmax();
                case SIGMOID -> {
                    for (int i = 0; i < logits.length; i++) {
                        probabilities[i] = 1 / (1 + Math.exp(-logits[i]));
                    }
                }
                case SOFTMAX_OF_CHOSEN -> {
                    for (int i = 0; i < logits.length; i++) {
                        probabilities[i] = logits[i];
                    }
                }
            }
            for (int i = 0; i < scores.length; i++) {
                scores[i] = probabilities[i] + (bias.length == 0 ? 0 : bias[i]);
            }
            if (rule.groups() > 1) {
                closeGroups();
            }
            double[] mine = new double[rule.used()];
            for (int i = 0; i < mine.length; i++) {
                int best = best(scores);
                chosen[at + i] = best;
                mine[i] = probabilities[best];
                scores[best] = Double.NEGATIVE_INFINITY;
            }
            weigh(mine);
            for (int i = 0; i < mine.length; i++) {
                weights[at + i] = (float) mine[i] * rule.scale();
            }
        }

        private void weigh(double[] mine) {
            if (rule.gating() == Hyperparameters.Gating.SOFTMAX_OF_CHOSEN) {
                double most = mine[0];
                for (int i = 0; i < mine.length; i++) {
                    mine[i] = Math.exp(mine[i] - most);
                }
            }
            if (rule.normalized() || rule.gating() == Hyperparameters.Gating.SOFTMAX_OF_CHOSEN) {
                double sum = 0;
                for (double weight : mine) {
                    sum += weight;
                }
                for (int i = 0; i < mine.length; i++) {
                    mine[i] /= Math.max(sum, Float.MIN_NORMAL);
                }
            }
        }

        private void softmax() {
            double most = Double.NEGATIVE_INFINITY;
            for (float logit : logits) {
                most = Math.max(most, logit);
            }
            double sum = 0;
            for (int i = 0; i < logits.length; i++) {
                probabilities[i] = Math.exp(logits[i] - most);
                sum += probabilities[i];
            }
            for (int i = 0; i < logits.length; i++) {
                probabilities[i] /= sum;
            }
        }

        /**
         * Only the best groups' experts may be chosen: groups are compared by their best expert (DeepSeek V2), or by
         * the sum of their best two (DeepSeek V3, whose choice has a bias).
         */
        private void closeGroups() {
            int size = scores.length / rule.groups();
            double[] groups = new double[rule.groups()];
            for (int group = 0; group < groups.length; group++) {
                double[] members = Arrays.copyOfRange(scores, group * size, (group + 1) * size);
                Arrays.sort(members);
                groups[group] = members[size - 1];
                if (rule.gating() == Hyperparameters.Gating.SIGMOID && size > 1) {
                    groups[group] += members[size - 2];
                }
            }
            boolean[] open = new boolean[groups.length];
            for (int i = 0; i < rule.groupsUsed(); i++) {
                int best = best(groups);
                open[best] = true;
                groups[best] = Double.NEGATIVE_INFINITY;
            }
            for (int i = 0; i < scores.length; i++) {
                if (!open[i / size]) {
                    scores[i] = Double.NEGATIVE_INFINITY;
                }
            }
        }

        /** The first of the largest. */
        private static int best(double[] values) {
            int best = 0;
            for (int i = 1; i < values.length; i++) {
                if (values[i] > values[best]) {
                    best = i;
                }
            }
            return best;
        }
    }
}
