package dev.quern.evaluation;

import dev.quern.evaluation.Buffers.Use;
import dev.quern.evaluation.Projection.Product;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.util.Arrays;
import java.util.List;

/** A block's feed-forward network: one for all tokens, or experts of which each token goes through some. */
record FeedForwardLayer(Hyperparameters sizes, Tasks tasks) {
    /**
     * Adds the network's results to {@code sum}.
     *
     * @param input normalized states
     * @param scale what results are multiplied by before they are added
     */
    void add(Weights.Block block, Packed input, Blocked sum, float scale, InputObserver observer) {
        Weights.FeedForward network = block.feedForward();
        if (network != null) {
            Packed gated = inner(network, input, observer);
            tasks.multiply(gated, new Product(network.down(), sum, true, scale));
        }
        Weights.Experts experts = block.experts();
        if (experts != null) {
            experts(experts, input, sum, scale, observer);
        }
    }

    /** What goes into a feed-forward network's last matrix. */
    private Packed inner(Weights.FeedForward network, Packed input, InputObserver observer) {
        observer.seen(input, first(network));
        Packed gated =
                tasks.buffers().packed(Use.INNER, input.rows(), network.up().rows());
        Projection projection = tasks.projection(input.rows());
        tasks.panels(
                network.up().panels(),
                (panel, mine) -> projection.feedForwardPanel(
                        input, 0, input.rows(), network, sizes.pass().activation(), panel, gated, mine));
        observer.seen(gated, network.down());
        return gated;
    }

    /** The matrices that meet a network's input. */
    private static WeightMatrix[] first(Weights.FeedForward network) {
        WeightMatrix gate = network.gate();
        return gate == null ? new WeightMatrix[] {network.up()} : new WeightMatrix[] {gate, network.up()};
    }

    private void experts(Weights.Experts block, Packed input, Blocked sum, float scale, InputObserver observer) {
        observer.seen(input, block.router());
        int rows = input.rows();
        Blocked logits =
                tasks.buffers().blocked(Use.ROUTED, rows, block.router().rows());
        tasks.multiply(input, new Product(block.router(), logits, false));
        Routing routing = Routing.of(sizes.experts(), block.bias(), logits);
        Packed slots = tasks.buffers().packed(Use.EXPERT_INPUT, routing.slots(), sizes.width());
        tasks.rows(routing.slots(), (first, count, mine) -> {
            float[] row = mine.row;
            for (int slot = first; slot < first + count; slot++) {
                if (routing.tokens()[slot] >= 0) {
                    input.read(routing.tokens()[slot], 0, sizes.width(), row, 0);
                    slots.write(slot, 0, sizes.width(), row, 0);
                }
            }
        });
        List<Weights.FeedForward> networks = block.experts();
        Weights.FeedForward any = networks.getFirst();
        observer.seenByExperts(slots, routing, first(any));
        Packed gated = tasks.buffers()
                .packed(Use.EXPERT_INNER, routing.slots(), any.up().rows());
        int panels = any.up().panels();
        Projection projection = tasks.projection(rows);
        tasks.panels(panels * routing.experts(), (task, mine) -> {
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
                        mine);
            }
        });
        observer.seenByExperts(gated, routing, any.down());
        float[] shares = routing.shares();
        if (scale != 1) {
            Activations.scale(shares, 0, shares.length, scale);
        }
        // A panel's task goes through the experts in order, so that sums do not depend on the threads.
        tasks.panels(any.down().panels(), (panel, mine) -> {
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
                            mine);
                }
            }
        });
        Weights.FeedForward shared = block.shared();
        if (shared != null) {
            shared(block, shared, input, sum, scale, observer);
        }
    }

    private void shared(
            Weights.Experts block,
            Weights.FeedForward network,
            Packed input,
            Blocked sum,
            float scale,
            InputObserver observer) {
        int rows = input.rows();
        float[] shares = new float[rows];
        Arrays.fill(shares, scale);
        WeightMatrix gate = block.sharedGate();
        if (gate != null) {
            observer.seen(input, gate);
            Blocked logits = tasks.buffers().blocked(Use.ROUTED, rows, 1);
            tasks.multiply(input, new Product(gate, logits, false));
            float[] logit = new float[1];
            for (int i = 0; i < rows; i++) {
                logits.read(i, 0, 1, logit, 0);
                shares[i] *= (float) (1 / (1 + Math.exp(-logit[0])));
            }
        }
        Packed gated = inner(network, input, observer);
        int[] to = new int[rows];
        Arrays.setAll(to, i -> i);
        Projection projection = tasks.projection(rows);
        tasks.panels(
                network.down().panels(),
                (panel, mine) -> projection.scatterPanel(gated, 0, rows, network.down(), panel, to, shares, sum, mine));
    }
}
