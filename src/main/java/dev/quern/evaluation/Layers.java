package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.ForwardPass.Norms;
import dev.quern.evaluation.Buffers.Use;
import dev.quern.evaluation.Projection.Product;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/**
 * What a model does between tokens and normalized states, written once for whole windows and for sequences with cells:
 * they differ in where a token finds what the others leave for it, which is the caller's ({@link Meeting}).
 */
final class Layers {
    private final Hyperparameters sizes;
    private final Weights weights;
    private final Tasks tasks;
    private final AttentionLayer attention;
    private final StateSpaceLayer stateSpace;
    private final FeedForwardLayer feedForward;

    /** How the tokens of a call meet others: by attention, or by what a sequence hands on. */
    record Meeting(AttentionLayer.Attending attending, StateSpaceLayer.Sequences sequences) {}

    Layers(Hyperparameters sizes, Weights weights, Tasks tasks) {
        this.sizes = sizes;
        this.weights = weights;
        this.tasks = tasks;
        this.attention = new AttentionLayer(sizes, tasks);
        this.stateSpace = new StateSpaceLayer(sizes, tasks);
        this.feedForward = new FeedForwardLayer(sizes, tasks);
    }

    /** States of tokens before the first block. */
    Blocked embed(int[] tokens, IntUnaryOperator positions) {
        Blocked x = tasks.buffers().blocked(Use.STATES, tokens.length, sizes.width());
        WeightMatrix learned = weights.positions();
        tasks.rows(tokens.length, (first, count, mine) -> {
            float[] row = mine.row;
            float[] position = learned == null ? row : new float[sizes.width()];
            for (int i = first; i < first + count; i++) {
                weights.embedding().source().readRows(tokens[i], 1, row, 0);
                if (sizes.scales().embedding() != 1) {
                    Activations.scale(row, 0, sizes.width(), sizes.scales().embedding());
                }
                if (weights.tokenType().length > 0) {
                    add(weights.tokenType(), row, sizes.width());
                }
                if (learned != null) {
                    learned.source().readRows(positions.applyAsInt(i), 1, position, 0);
                    add(position, row, sizes.width());
                }
                weights.embeddingNorm().apply(row, 0, sizes.width());
                x.write(i, 0, sizes.width(), row, 0);
            }
        });
        return x;
    }

    /**
     * One block.
     *
     * @param x states of all tokens
     * @param out states of the wanted ones, which the block changes; may be {@code x}
     */
    void block(int index, Blocked x, Blocked out, Meeting meeting, InputObserver observer) {
        Weights.Block block = weights.blocks().get(index);
        Packed normed = norm(x, block.attentionNorm());
        Weights.StateSpace space = block.stateSpace();
        Packed attended = space == null
                ? attention.attended(index, block, normed, out.rows(), meeting.attending(), observer)
                : stateSpace.scanned(
                        space, normed, out.rows(), meeting.sequences().of(index), observer);
        blockFrom(index, attended, out, observer);
    }

    /** Where what attention, or the state space, gave before is put, for {@link #blockFrom}. */
    Packed attendedOf(int index, int rows) {
        int width = weights.blocks().get(index).attentionOutput().columns();
        return tasks.buffers().packed(Use.NORMED, rows, width);
    }

    /** The rest of a block, from where tokens have met. */
    void blockFrom(int index, Packed attended, Blocked out, InputObserver observer) {
        Weights.Block block = weights.blocks().get(index);
        Blocked before = readsStateBefore(block) ? copy(out) : out;
        observer.seen(attended, block.attentionOutput());
        Blocked sum = begin(out);
        tasks.multiply(attended, new Product(block.attentionOutput(), sum, true, added()));
        finish(sum, block.afterAttention(), out);
        if (!block.hasNetwork()) {
            return;
        }
        Packed input = norm(before, block.feedForwardNorm());
        sum = begin(out);
        feedForward.add(block, input, sum, added(), observer);
        finish(sum, block.afterFeedForward(), out);
    }

    /** Normalized states, as the output matrix wants them. */
    Packed outputs(Blocked x) {
        return norm(x, weights.outputNorm());
    }

    private boolean readsStateBefore(Weights.Block block) {
        return sizes.parallel()
                || sizes.pass().residual() == ForwardPass.Residual.PARALLEL_WITHOUT_NORM
                        && block.feedForwardNorm().equals(block.attentionNorm());
    }

    /** Whether what a part of the block adds is normalized before it is added. */
    private boolean branched() {
        return sizes.pass().norms() == Norms.AROUND || sizes.pass().norms() == Norms.AFTER;
    }

    /** What products are multiplied by before they are added. */
    private float added() {
        return branched() ? 1 : sizes.scales().residual();
    }

    /** What a product is multiplied by before it is added to the states; 0 where it is not, or normalized first. */
    float added(int index, WeightMatrix product) {
        Weights.Block block = weights.blocks().get(index);
        Weights.FeedForward network = block.feedForward();
        boolean last = product.name().equals(block.attentionOutput().name())
                || network != null && product.name().equals(network.down().name());
        return last && !branched() ? added() : 0;
    }

    /** Where a part of the block adds up: the states themselves, unless the sum is normalized first. */
    private Blocked begin(Blocked out) {
        if (!branched()) {
            return out;
        }
        Blocked branch = tasks.buffers().blocked(Use.BRANCH, out.rows(), out.width());
        Arrays.fill(branch.values(), 0, Blocked.size(out.rows(), out.width()), 0);
        return branch;
    }

    private void finish(Blocked sum, Norm after, Blocked out) {
        if (after.equals(Norm.NONE)) {
            return;
        }
        if (!branched()) {
            tasks.rows(out.rows(), (first, count, mine) -> after.apply(out, first, count, mine.row));
            return;
        }
        tasks.rows(out.rows(), (first, count, mine) -> {
            float[] state = new float[out.width()];
            after.apply(sum, first, count, mine.row);
            for (int i = first; i < first + count; i++) {
                sum.read(i, 0, out.width(), mine.row, 0);
                out.read(i, 0, out.width(), state, 0);
                Activations.scale(mine.row, 0, out.width(), sizes.scales().residual());
                add(mine.row, state, out.width());
                out.write(i, 0, out.width(), state, 0);
            }
        });
    }

    private Blocked copy(Blocked x) {
        Blocked copy = tasks.buffers().blocked(Use.BEFORE, x.rows(), x.width());
        System.arraycopy(x.values(), 0, copy.values(), 0, Blocked.size(x.rows(), x.width()));
        return copy;
    }

    private Packed norm(Blocked x, Norm norm) {
        Packed y = tasks.buffers().packed(Use.NORMED, x.rows(), x.width());
        tasks.rows(x.rows(), (first, count, mine) -> norm.apply(x, first, count, y, mine.row));
        return y;
    }

    private static void add(float[] from, float[] to, int count) {
        for (int i = 0; i < count; i++) {
            to[i] += from[i];
        }
    }
}
