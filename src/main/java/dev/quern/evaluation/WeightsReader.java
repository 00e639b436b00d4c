package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.ForwardPass.Norms;
import dev.quern.architecture.ForwardPass.Presence;
import dev.quern.architecture.ForwardPass.Residual;
import dev.quern.architecture.Model;
import dev.quern.evaluation.Weights.Block;
import dev.quern.evaluation.Weights.Experts;
import dev.quern.evaluation.Weights.FeedForward;
import dev.quern.evaluation.Weights.HeadNorm;
import dev.quern.evaluation.Weights.LatentProjections;
import dev.quern.evaluation.Weights.Projections;
import dev.quern.evaluation.Weights.RopeFactors;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.io.InputException;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.List;

/** Finds a model's tensors under the names and with the shapes that its forward pass expects. */
final class WeightsReader {
    private static final float[] NONE = new float[0];

    private final NamedTensors tensors;
    private final Hyperparameters sizes;
    private final ForwardPass pass;

    private WeightsReader(Model model, Hyperparameters sizes) {
        this.tensors = new NamedTensors(model);
        this.sizes = sizes;
        this.pass = sizes.pass();
    }

    /**
     * @throws InputException for a tensor that is missing, has another shape, or is there and has no part in the forward
     *     pass: a number computed without it would be wrong
     */
    static Weights read(Model model, Hyperparameters sizes) {
        return new WeightsReader(model, sizes).read();
    }

    private Weights read() {
        int width = sizes.width();
        WeightMatrix embedding = embedding(width);
        WeightMatrix positions = wanted(pass.positions(), "position_embd.weight")
                ? tensors.matrix("position_embd.weight", rowsOf("position_embd.weight"), width)
                : null;
        float[] tokenType = NONE;
        if (wanted(pass.tokenTypes(), "token_types.weight")) {
            tokenType = new float[width];
            tensors.matrix("token_types.weight", rowsOf("token_types.weight"), width)
                    .source()
                    .readRows(0, 1, tokenType, 0);
        }
        Norm embeddingNorm =
                wanted(pass.embeddingNorm(), "token_embd_norm.weight") ? norm("token_embd_norm", width) : Norm.NONE;
        RopeFactors factors = ropeFactors();
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < sizes.blocks(); i++) {
            blocks.add(block(i, "blk." + i + "."));
        }
        Norm outputNorm = pass.norms() == Norms.SUM ? Norm.NONE : norm("output_norm", width);
        WeightMatrix output =
                tensors.has("output.weight") ? tensors.matrix("output.weight", embedding.rows(), width) : embedding;
        if (tensors.has("output.bias")) {
            output = output.withBias(tensors.vector("output.bias", embedding.rows()));
        }
        tensors.refuseUnused();
        return new Weights(
                embedding, positions, tokenType, embeddingNorm, List.copyOf(blocks), outputNorm, output, factors);
    }

    private RopeFactors ropeFactors() {
        int pairs = sizes.rope().dimensions() / 2;
        if (tensors.has("rope_freqs.weight")) {
            float[] factors = tensors.vector("rope_freqs.weight", pairs);
            return new RopeFactors(factors, factors);
        }
        if (tensors.has("rope_factors_long.weight") || tensors.has("rope_factors_short.weight")) {
            return new RopeFactors(
                    tensors.vector("rope_factors_long.weight", pairs),
                    tensors.vector("rope_factors_short.weight", pairs));
        }
        return new RopeFactors(NONE, NONE);
    }

    private Block block(int index, String prefix) {
        int width = sizes.width();
        if (sizes.scan().states() > 0) {
            return stateSpace(prefix);
        }
        boolean before = pass.norms() == Norms.BEFORE || pass.norms() == Norms.AROUND;
        boolean after = pass.norms() == Norms.AROUND || pass.norms() == Norms.AFTER;
        boolean sum = pass.norms() == Norms.SUM;
        String feedForwardNorm = prefix + pass.feedForwardNorm();
        Norm own = before ? norm(prefix + "attn_norm", width) : Norm.NONE;
        // Falcon 40B's attention has a second norm of its own; the first is then the feed-forward network's.
        boolean second = sizes.parallel() && tensors.has(prefix + "attn_norm_2.weight");
        boolean shares = sizes.parallel() || pass.residual() == Residual.PARALLEL_WITHOUT_NORM;
        Norm network = !before
                ? Norm.NONE
                : shares && !tensors.has(feedForwardNorm + ".weight") ? own : norm(feedForwardNorm, width);
        boolean latent = pass.attention() == ForwardPass.Mixing.LATENT;
        String q = prefix + "attn_q_norm";
        String k = prefix + "attn_k_norm";
        boolean normed = wanted(pass.queryKeyNorm(), q + ".weight");
        boolean experts = index >= sizes.experts().firstBlock();
        return new Block(
                second ? norm(prefix + "attn_norm_2", width) : own,
                latent ? null : projections(prefix),
                latent ? latent(prefix) : null,
                null,
                normed ? headNorm(q, sizes.keyLength(), sizes.heads()) : null,
                normed ? headNorm(k, sizes.keyLength(), sizes.keyValueHeads()) : null,
                tensors.has(prefix + "attn_sinks.weight")
                        ? tensors.vector(prefix + "attn_sinks.weight", sizes.heads())
                        : NONE,
                tensors.linear(
                        prefix + "attn_output",
                        width,
                        latent ? sizes.heads() * sizes.latent().valueLength() : sizes.attendedWidth()),
                after
                        ? norm(prefix + "post_attention_norm", width)
                        : sum ? norm(prefix + "attn_output_norm", width) : Norm.NONE,
                network,
                experts ? null : feedForward(prefix, "", sizes.feedForward()),
                experts ? experts(prefix) : null,
                after
                        ? norm(prefix + "post_ffw_norm", width)
                        : sum ? norm(prefix + "layer_output_norm", width) : Norm.NONE);
    }

    /** A block that is a state space and nothing else. */
    private Block stateSpace(String prefix) {
        Hyperparameters.Scan scan = sizes.scan();
        int inner = scan.inner();
        WeightMatrix both = tensors.linear(prefix + "ssm_in", Math.multiplyExact(2, inner), sizes.width());
        Weights.StateSpace stateSpace = new Weights.StateSpace(
                both.rows(0, inner),
                both.rows(inner, inner),
                tensors.transposed(prefix + "ssm_conv1d.weight", inner, scan.kernel(), inner),
                tensors.vector(prefix + "ssm_conv1d.bias", inner),
                tensors.linear(prefix + "ssm_x", Math.addExact(scan.rank(), 2 * scan.states()), inner),
                tensors.linear(prefix + "ssm_dt", inner, scan.rank()),
                tensors.transposed(prefix + "ssm_a", inner, scan.states(), Blocked.BLOCK),
                tensors.vector(prefix + "ssm_d", inner));
        return new Block(
                norm(prefix + "attn_norm", sizes.width()),
                null,
                null,
                stateSpace,
                null,
                null,
                NONE,
                tensors.linear(prefix + "ssm_out", sizes.width(), inner),
                Norm.NONE,
                Norm.NONE,
                null,
                null,
                Norm.NONE);
    }

    private Projections projections(String prefix) {
        int width = sizes.width();
        int query = sizes.queryWidth();
        int key = sizes.keyWidth();
        int value = sizes.valueWidth();
        if (tensors.has(prefix + "attn_qkv.weight")) {
            WeightMatrix all = tensors.linear(prefix + "attn_qkv", query + key + value, width);
            return new Projections(all.rows(0, query), all.rows(query, key), all.rows(query + key, value));
        }
        return new Projections(
                tensors.linear(prefix + "attn_q", query, width),
                tensors.linear(prefix + "attn_k", key, width),
                tensors.linear(prefix + "attn_v", value, width));
    }

    private LatentProjections latent(String prefix) {
        Hyperparameters.Latent latent = sizes.latent();
        int rotated = sizes.rope().dimensions();
        int heads = sizes.heads();
        int plain = latent.keyLength() - rotated;
        int queries = heads * latent.keyLength();
        boolean narrow = latent.queryRank() > 0 && tensors.has(prefix + "attn_q_a.weight");
        WeightMatrix keys = tensors.stacked(prefix + "attn_k_b.weight", heads, latent.rank(), plain);
        WeightMatrix values = tensors.stacked(prefix + "attn_v_b.weight", heads, latent.valueLength(), latent.rank());
        List<WeightMatrix> keyOf = new ArrayList<>();
        List<WeightMatrix> valueOf = new ArrayList<>();
        for (int head = 0; head < heads; head++) {
            keyOf.add(keys.rows(head * latent.rank(), latent.rank()));
            valueOf.add(values.rows(head * latent.valueLength(), latent.valueLength()));
        }
        return new LatentProjections(
                narrow ? tensors.linear(prefix + "attn_q_a", latent.queryRank(), sizes.width()) : null,
                narrow ? norm(prefix + "attn_q_a_norm", latent.queryRank()) : Norm.NONE,
                narrow
                        ? tensors.linear(prefix + "attn_q_b", queries, latent.queryRank())
                        : tensors.linear(prefix + "attn_q", queries, sizes.width()),
                tensors.linear(prefix + "attn_kv_a_mqa", latent.rank() + rotated, sizes.width()),
                norm(prefix + "attn_kv_a_norm", latent.rank()),
                List.copyOf(keyOf),
                List.copyOf(valueOf));
    }

    /** @param kind what the tensors' names end in, "" or "_shexp" */
    private FeedForward feedForward(String prefix, String kind, int inner) {
        String up = prefix + "ffn_up" + kind;
        String gate = prefix + "ffn_gate" + kind;
        WeightMatrix down = tensors.linear(prefix + "ffn_down" + kind, sizes.width(), inner);
        if (!pass.activation().gated()) {
            return new FeedForward(null, tensors.linear(up, inner, sizes.width()), down);
        }
        if (tensors.has(gate + ".weight")) {
            return new FeedForward(
                    tensors.linear(gate, inner, sizes.width()), tensors.linear(up, inner, sizes.width()), down);
        }
        // Gate and up in one matrix, the gate first.
        WeightMatrix both = tensors.linear(up, 2 * inner, sizes.width());
        return new FeedForward(both.rows(0, inner), both.rows(inner, inner), down);
    }

    private Experts experts(String prefix) {
        int count = sizes.experts().count();
        int inner = sizes.experts().feedForward();
        int width = sizes.width();
        boolean gated = pass.activation().gated();
        WeightMatrix down = tensors.stackedLinear(prefix + "ffn_down_exps", count, width, inner);
        WeightMatrix both = null;
        WeightMatrix gate = null;
        WeightMatrix up = null;
        if (gated && tensors.has(prefix + "ffn_gate_up_exps.weight")) {
            both = tensors.stackedLinear(prefix + "ffn_gate_up_exps", count, 2 * inner, width);
        } else {
            up = tensors.stackedLinear(prefix + "ffn_up_exps", count, inner, width);
            gate = gated ? tensors.stackedLinear(prefix + "ffn_gate_exps", count, inner, width) : null;
        }
        List<FeedForward> experts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            WeightMatrix mine = down.rows(i * width, width);
            if (both != null) {
                experts.add(
                        new FeedForward(both.rows(2 * i * inner, inner), both.rows((2 * i + 1) * inner, inner), mine));
            } else if (up != null) {
                experts.add(new FeedForward(
                        gate == null ? null : gate.rows(i * inner, inner), up.rows(i * inner, inner), mine));
            }
        }
        String shared = prefix + "ffn_down_shexp.weight";
        FeedForward every = tensors.has(shared)
                ? feedForward(
                        prefix,
                        "_shexp",
                        Math.toIntExact(tensors.source(shared).info().shape().rowLength()))
                : null;
        String choice = prefix + "exp_probs_b.bias";
        String sharedGate = prefix + "ffn_gate_inp_shexp.weight";
        return new Experts(
                tensors.linear(prefix + "ffn_gate_inp", count, width),
                tensors.has(choice) ? tensors.vector(choice, count) : NONE,
                List.copyOf(experts),
                every,
                every != null && tensors.has(sharedGate) ? tensors.oneRow(sharedGate, width) : null);
    }

    private boolean wanted(Presence presence, String name) {
        return switch (presence) {
            case NONE -> false;
            case OPTIONAL -> tensors.has(name);
            case REQUIRED -> true;
        };
    }

    private Norm norm(String name, int length) {
        float[] weight = pass.weightlessNorms() ? NONE : tensors.vector(name + ".weight", length);
        boolean biased = pass.norm() == ForwardPass.Norm.LAYER && tensors.has(name + ".bias");
        return new Norm(
                pass.norm(), weight, biased ? tensors.vector(name + ".bias", length) : NONE, sizes.normEpsilon());
    }

    /** One weight for each value of a head, for each value of each head, or for each value of the row. */
    private HeadNorm headNorm(String name, int head, int heads) {
        TensorSource source = tensors.source(name + ".weight");
        Shape shape = source.info().shape();
        int length = shape.elements() == head ? head : Math.multiplyExact(head, heads);
        Shape expected = shape.rank() == 2 ? Shape.of(heads, head) : Shape.of(length);
        if (!shape.equals(expected)) {
            throw tensors.refused(name + ".weight", "expected " + expected + ", found " + shape);
        }
        float[] weight = new float[Math.toIntExact(shape.elements())];
        source.readRows(0, Math.toIntExact(shape.rows()), weight, 0);
        boolean biased = pass.norm() == ForwardPass.Norm.LAYER && tensors.has(name + ".bias");
        Norm norm = new Norm(
                pass.norm(),
                weight,
                biased ? tensors.vector(name + ".bias", weight.length) : NONE,
                sizes.normEpsilon());
        return new HeadNorm(norm, shape.rank() == 2 ? head : length);
    }

    private int rowsOf(String name) {
        Shape shape = tensors.source(name).info().shape();
        if (shape.rank() != 2 || shape.dim(0) < 1 || shape.dim(0) > Integer.MAX_VALUE) {
            throw tensors.refused(name, "expected [rows, " + sizes.width() + "], found " + shape);
        }
        return (int) shape.dim(0);
    }

    private WeightMatrix embedding(int width) {
        TensorSource source = tensors.source("token_embd.weight");
        Shape shape = source.info().shape();
        if (shape.rank() != 2 || shape.dim(1) != width || shape.dim(0) < 1 || shape.dim(0) > Integer.MAX_VALUE) {
            throw tensors.refused("token_embd.weight", "expected [vocabulary, " + width + "], found " + shape);
        }
        return WeightMatrix.of(source, (int) shape.dim(0), width);
    }
}
