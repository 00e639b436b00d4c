package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.ForwardPass.Norms;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Buffers.Use;
import dev.quern.evaluation.Projection.Product;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What a model does between tokens and normalized states, written once for whole windows and for sequences with cells:
 * they differ in where a token finds the keys and values of others, which is the caller's ({@link Attending}).
 */
final class Layers implements AutoCloseable {
    private static final int ROWS_PER_TASK = 64;

    /** Where tokens meet. */
    @FunctionalInterface
    interface Attending {
        /**
         * @param query of all rows, not turned yet, like {@code key}
         * @param attended receives a row for each row that is wanted
         */
        void attend(int block, Blocked query, Blocked key, Blocked value, Packed attended);
    }

    /** Is told what goes into products. */
    interface InputObserver {
        void seen(Packed input, List<WeightMatrix> products);

        void seenByExperts(Packed input, Routing routing, List<WeightMatrix> products);
    }

    private final Hyperparameters sizes;
    private final Weights weights;
    private final Workers workers;
    private final Scratch[] scratch;
    private final Buffers buffers;
    private final boolean branched;
    private final boolean singly;
    private Projection projection = new Projection(false);

    /** @param singly whether a token that comes alone may be computed in the way that is fastest for one */
    Layers(
            Hyperparameters sizes,
            Weights weights,
            Workers workers,
            Scratch[] scratch,
            Buffers buffers,
            boolean singly) {
        this.sizes = sizes;
        this.weights = weights;
        this.workers = workers;
        this.scratch = scratch;
        this.buffers = buffers;
        this.singly = singly;
        this.branched = sizes.pass().norms() == Norms.AROUND || sizes.pass().norms() == Norms.AFTER;
    }

    /** States of tokens before the first block. */
    Blocked embed(int[] tokens, IntUnaryOperator positions) {
        Blocked x = buffers.blocked(Use.STATES, tokens.length, sizes.width());
        WeightMatrix learned = weights.positions();
        rows(tokens.length, (first, count, worker) -> {
            float[] row = scratch[worker].row;
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
    void block(int index, Blocked x, Blocked out, Attending attending, @Nullable InputObserver observer) {
        Weights.Block block = weights.blocks().get(index);
        projection = new Projection(singly && x.rows() == 1);
        Blocked before = readsStateBefore(block) ? copy(out) : out;
        Packed input = norm(x, block.attentionNorm());
        Packed attended = block.latent() == null
                ? attend(index, block, input, out.rows(), attending, observer)
                : attendLatent(index, block.latent(), input, out.rows(), attending, observer);
        observe(attended, observer, block.attentionOutput());
        Blocked sum = begin(out);
        multiply(attended, List.of(new Product(block.attentionOutput(), sum, true, added())));
        finish(sum, block.afterAttention(), out);
        feedForward(block, before, out, observer);
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

    private Packed attend(
            int index,
            Weights.Block block,
            Packed input,
            int wanted,
            Attending attending,
            @Nullable InputObserver observer) {
        Weights.Projections projections = java.util.Objects.requireNonNull(block.projections());
        observe(input, observer, projections.query(), projections.key(), projections.value());
        Blocked query = buffers.blocked(Use.INNER, input.rows(), sizes.queryWidth());
        Blocked key = buffers.blocked(Use.KEYS, input.rows(), sizes.keyWidth());
        Blocked value = buffers.blocked(Use.VALUES, input.rows(), sizes.valueWidth());
        multiply(
                input,
                List.of(
                        new Product(projections.query(), query, false),
                        new Product(projections.key(), key, false),
                        new Product(projections.value(), value, false)));
        float most = sizes.scales().clamp();
        if (most > 0) {
            clamp(query, most);
            clamp(key, most);
            clamp(value, most);
        }
        normHeads(query, block.queryNorm());
        normHeads(key, block.keyNorm());
        Packed attended = buffers.packed(Use.NORMED, wanted, sizes.attendedWidth());
        attending.attend(index, query, key, value, attended);
        return attended;
    }

    private void normHeads(Blocked x, Weights.@Nullable HeadNorm norm) {
        if (norm != null) {
            rows(
                    x.rows(),
                    (first, count, worker) ->
                            norm.norm().applyToRuns(x, norm.length(), first, count, scratch[worker].row));
        }
    }

    private static void clamp(Blocked x, float most) {
        float[] values = x.values();
        for (int i = 0; i < Blocked.size(x.rows(), x.width()); i++) {
            values[i] = Math.clamp(values[i], -most, most);
        }
    }

    /**
     * Multi-head latent attention: all heads share one key, the latent state and its turned part, and one value, the
     * latent state; each head's matrices stand before and after.
     */
    private Packed attendLatent(
            int index,
            Weights.LatentProjections block,
            Packed input,
            int wanted,
            Attending attending,
            @Nullable InputObserver observer) {
        int rank = sizes.latent().rank();
        int rotated = sizes.rope().dimensions();
        int length = sizes.latent().keyLength();
        int plain = length - rotated;
        int rows = input.rows();
        WeightMatrix queryDown = block.queryDown();
        observe(input, observer, queryDown == null ? block.query() : queryDown, block.down());
        Blocked state = buffers.blocked(Use.KEYS, rows, rank + rotated);
        Blocked query = buffers.blocked(Use.INNER, rows, sizes.heads() * length);
        if (queryDown == null) {
            multiply(input, List.of(new Product(block.query(), query, false), new Product(block.down(), state, false)));
        } else {
            Blocked narrow = buffers.blocked(Use.LATENT_QUERY, rows, queryDown.rows());
            multiply(input, List.of(new Product(queryDown, narrow, false), new Product(block.down(), state, false)));
            Packed normed = buffers.packed(Use.LATENT_STATE, rows, queryDown.rows());
            rows(
                    rows,
                    (first, count, worker) ->
                            block.queryNorm().apply(narrow, first, count, normed, scratch[worker].row));
            observe(normed, observer, block.query());
            multiply(normed, List.of(new Product(block.query(), query, false)));
        }
        Blocked value = buffers.blocked(Use.VALUES, rows, rank);
        rows(rows, (first, count, worker) -> {
            float[] row = scratch[worker].row;
            for (int i = first; i < first + count; i++) {
                state.read(i, 0, rank, row, 0);
                block.norm().apply(row, 0, rank);
                state.write(i, 0, rank, row, 0);
                value.write(i, 0, rank, row, 0);
            }
        });
        Blocked wide = buffers.blocked(Use.LATENT_QUERY, rows, sizes.heads() * (rank + rotated));
        Packed part = buffers.packed(Use.LATENT_PART, rows, plain);
        Blocked product = buffers.blocked(Use.LATENT_PRODUCT, rows, rank);
        for (int head = 0; head < sizes.heads(); head++) {
            int from = head * length;
            int to = head * (rank + rotated);
            rows(rows, (first, count, worker) -> {
                float[] row = scratch[worker].row;
                for (int i = first; i < first + count; i++) {
                    query.read(i, from, length, row, 0);
                    part.write(i, 0, plain, row, 0);
                    wide.write(i, to + rank, rotated, row, plain);
                }
            });
            multiply(part, List.of(new Product(block.keys().get(head), product, false)));
            rows(rows, (first, count, worker) -> {
                float[] row = scratch[worker].row;
                for (int i = first; i < first + count; i++) {
                    product.read(i, 0, rank, row, 0);
                    wide.write(i, to, rank, row, 0);
                }
            });
        }
        Packed attended = buffers.packed(Use.NORMED, wanted, sizes.heads() * rank);
        attending.attend(index, wide, state, value, attended);
        return latentValues(block, attended, wanted);
    }

    private Packed latentValues(Weights.LatentProjections block, Packed attended, int wanted) {
        int rank = sizes.latent().rank();
        int length = sizes.latent().valueLength();
        Packed result = buffers.packed(Use.LATENT_RESULT, wanted, sizes.heads() * length);
        Packed part = buffers.packed(Use.LATENT_PART, wanted, rank);
        Blocked product = buffers.blocked(Use.LATENT_PRODUCT, wanted, length);
        for (int head = 0; head < sizes.heads(); head++) {
            int from = head * rank;
            int to = head * length;
            rows(wanted, (first, count, worker) -> {
                float[] row = scratch[worker].row;
                for (int i = first; i < first + count; i++) {
                    attended.read(i, from, rank, row, 0);
                    part.write(i, 0, rank, row, 0);
                }
            });
            multiply(part, List.of(new Product(block.values().get(head), product, false)));
            rows(wanted, (first, count, worker) -> {
                float[] row = scratch[worker].row;
                for (int i = first; i < first + count; i++) {
                    product.read(i, 0, length, row, 0);
                    result.write(i, to, length, row, 0);
                }
            });
        }
        return result;
    }

    private void feedForward(Weights.Block block, Blocked x, Blocked out, @Nullable InputObserver observer) {
        Packed input = norm(x, block.feedForwardNorm());
        Blocked sum = begin(out);
        Weights.FeedForward network = block.feedForward();
        if (network != null) {
            Packed gated = inner(network, input, observer);
            multiply(gated, List.of(new Product(network.down(), sum, true, added())));
        }
        Weights.Experts experts = block.experts();
        if (experts != null) {
            experts(experts, input, sum, observer);
        }
        finish(sum, block.afterFeedForward(), out);
    }

    /** What goes into a feed-forward network's last matrix. */
    private Packed inner(Weights.FeedForward network, Packed input, @Nullable InputObserver observer) {
        WeightMatrix gate = network.gate();
        if (gate == null) {
            observe(input, observer, network.up());
        } else {
            observe(input, observer, gate, network.up());
        }
        Packed gated = buffers.packed(Use.INNER, input.rows(), network.up().rows());
        workers.each(
                network.up().panels(),
                (panel, worker) -> projection.feedForwardPanel(
                        input, 0, input.rows(), network, sizes.pass().activation(), panel, gated, scratch[worker]));
        observe(gated, observer, network.down());
        return gated;
    }

    private void experts(Weights.Experts block, Packed input, Blocked sum, @Nullable InputObserver observer) {
        observe(input, observer, block.router());
        int rows = input.rows();
        Blocked logits = buffers.blocked(Use.ROUTED, rows, block.router().rows());
        multiply(input, List.of(new Product(block.router(), logits, false)));
        Routing routing = Routing.of(sizes.experts(), block.bias(), logits);
        Packed slots = buffers.packed(Use.EXPERT_INPUT, routing.slots(), sizes.width());
        rows(routing.slots(), (first, count, worker) -> {
            float[] row = scratch[worker].row;
            for (int slot = first; slot < first + count; slot++) {
                if (routing.tokens()[slot] >= 0) {
                    input.read(routing.tokens()[slot], 0, sizes.width(), row, 0);
                    slots.write(slot, 0, sizes.width(), row, 0);
                }
            }
        });
        List<Weights.FeedForward> networks = block.experts();
        Weights.FeedForward any = networks.getFirst();
        if (observer != null) {
            WeightMatrix gate = any.gate();
            observer.seenByExperts(slots, routing, gate == null ? List.of(any.up()) : List.of(gate, any.up()));
        }
        Packed gated =
                buffers.packed(Use.EXPERT_INNER, routing.slots(), any.up().rows());
        int panels = any.up().panels();
        workers.each(panels * routing.experts(), (task, worker) -> {
            int expert = task / panels;
            if (routing.counts()[expert] > 0) {
                projection.feedForwardPanel(
                        slots,
                        routing.first()[expert],
                        routing.counts()[expert],
                        networks.get(expert),
                        sizes.pass().activation(),
                        task % panels,
                        gated,
                        scratch[worker]);
            }
        });
        if (observer != null) {
            observer.seenByExperts(gated, routing, List.of(any.down()));
        }
        float[] shares = routing.shares();
        if (added() != 1) {
            Activations.scale(shares, 0, shares.length, added());
        }
        // A panel's task goes through the experts in order, so that sums do not depend on the threads.
        workers.each(any.down().panels(), (panel, worker) -> {
            for (int expert = 0; expert < routing.experts(); expert++) {
                if (routing.counts()[expert] > 0) {
                    projection.scatterPanel(
                            gated,
                            routing.first()[expert],
                            routing.counts()[expert],
                            networks.get(expert).down(),
                            panel,
                            routing.tokens(),
                            shares,
                            sum,
                            scratch[worker]);
                }
            }
        });
        Weights.FeedForward shared = block.shared();
        if (shared != null) {
            shared(block, shared, input, sum, observer);
        }
    }

    private void shared(
            Weights.Experts block,
            Weights.FeedForward shared,
            Packed input,
            Blocked sum,
            @Nullable InputObserver observer) {
        int rows = input.rows();
        float[] shares = new float[rows];
        Arrays.fill(shares, added());
        WeightMatrix gate = block.sharedGate();
        if (gate != null) {
            observe(input, observer, gate);
            Blocked logits = buffers.blocked(Use.ROUTED, rows, 1);
            multiply(input, List.of(new Product(gate, logits, false)));
            float[] logit = new float[1];
            for (int i = 0; i < rows; i++) {
                logits.read(i, 0, 1, logit, 0);
                shares[i] *= (float) (1 / (1 + Math.exp(-logit[0])));
            }
        }
        Packed gated = inner(shared, input, observer);
        int[] to = new int[rows];
        Arrays.setAll(to, i -> i);
        workers.each(
                shared.down().panels(),
                (panel, worker) -> projection.scatterPanel(
                        gated, 0, rows, shared.down(), panel, to, shares, sum, scratch[worker]));
    }

    /** What products are multiplied by before they are added. */
    private float added() {
        return branched ? 1 : sizes.scales().residual();
    }

    /** Where a part of the block adds up: the states themselves, unless the sum is normalized first. */
    private Blocked begin(Blocked out) {
        if (!branched) {
            return out;
        }
        Blocked branch = buffers.blocked(Use.BRANCH, out.rows(), out.width());
        Arrays.fill(branch.values(), 0, Blocked.size(out.rows(), out.width()), 0);
        return branch;
    }

    private void finish(Blocked sum, Norm after, Blocked out) {
        if (after.equals(Norm.NONE)) {
            return;
        }
        if (!branched) {
            rows(out.rows(), (first, count, worker) -> after.apply(out, first, count, scratch[worker].row));
            return;
        }
        rows(out.rows(), (first, count, worker) -> {
            float[] state = new float[out.width()];
            after.apply(sum, first, count, scratch[worker].row);
            for (int i = first; i < first + count; i++) {
                sum.read(i, 0, out.width(), scratch[worker].row, 0);
                out.read(i, 0, out.width(), state, 0);
                Activations.scale(
                        scratch[worker].row, 0, out.width(), sizes.scales().residual());
                add(scratch[worker].row, state, out.width());
                out.write(i, 0, out.width(), state, 0);
            }
        });
    }

    private Blocked copy(Blocked x) {
        Blocked copy = buffers.blocked(Use.BEFORE, x.rows(), x.width());
        System.arraycopy(x.values(), 0, copy.values(), 0, Blocked.size(x.rows(), x.width()));
        return copy;
    }

    private Packed norm(Blocked x, Norm norm) {
        Packed y = buffers.packed(Use.NORMED, x.rows(), sizes.width());
        rows(x.rows(), (first, count, worker) -> norm.apply(x, first, count, y, scratch[worker].row));
        return y;
    }

    private static void observe(Packed input, @Nullable InputObserver observer, WeightMatrix... products) {
        if (observer != null) {
            observer.seen(input, List.of(products));
        }
    }

    private void multiply(Packed input, List<Product> products) {
        List<Product> each = new ArrayList<>(products);
        int panels = each.stream().mapToInt(p -> p.weights().panels()).sum();
        workers.each(panels, (task, worker) -> {
            int panel = task;
            for (Product product : each) {
                if (panel < product.weights().panels()) {
                    projection.panel(input, product, panel, scratch[worker]);
                    return;
                }
                panel -= product.weights().panels();
            }
        });
    }

    private static void add(float[] from, float[] to, int count) {
        for (int i = 0; i < count; i++) {
            to[i] += from[i];
        }
    }

    interface RowTask {
        void run(int first, int count, int worker);
    }

    void rows(int count, RowTask task) {
        workers.each(
                Math.ceilDiv(count, ROWS_PER_TASK),
                (index, worker) -> task.run(
                        index * ROWS_PER_TASK, Math.min(ROWS_PER_TASK, count - index * ROWS_PER_TASK), worker));
    }

    @Override
    public void close() {
        workers.close();
    }
}
