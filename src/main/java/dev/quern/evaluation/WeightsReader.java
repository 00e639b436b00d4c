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
import dev.quern.io.Quoted;
import dev.quern.tensor.Scaled;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Finds a model's tensors under the names and with the shapes that its forward pass expects. */
final class WeightsReader {
    private static final float[] NONE = new float[0];

    private final Model model;
    private final Hyperparameters sizes;
    private final ForwardPass pass;
    private final Set<String> used = new HashSet<>();

    private WeightsReader(Model model, Hyperparameters sizes) {
        this.model = model;
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
                ? matrix("position_embd.weight", rowsOf("position_embd.weight"), width)
                : null;
        float[] tokenType = NONE;
        if (wanted(pass.tokenTypes(), "token_types.weight")) {
            tokenType = new float[width];
            matrix("token_types.weight", rowsOf("token_types.weight"), width)
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
        WeightMatrix output = has("output.weight") ? matrix("output.weight", embedding.rows(), width) : embedding;
        if (has("output.bias")) {
            output = output.withBias(vector("output.bias", embedding.rows()));
        }
        for (String name : model.tensors().asMap().keySet()) {
            if (!used.contains(name)) {
                throw refused(name, "the forward pass of this architecture has no place for it");
            }
        }
        return new Weights(
                embedding, positions, tokenType, embeddingNorm, List.copyOf(blocks), outputNorm, output, factors);
    }

    private RopeFactors ropeFactors() {
        int pairs = sizes.rope().dimensions() / 2;
        if (has("rope_freqs.weight")) {
            float[] factors = vector("rope_freqs.weight", pairs);
            return new RopeFactors(factors, factors);
        }
        if (has("rope_factors_long.weight") || has("rope_factors_short.weight")) {
            return new RopeFactors(
                    vector("rope_factors_long.weight", pairs), vector("rope_factors_short.weight", pairs));
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
        boolean second = sizes.parallel() && has(prefix + "attn_norm_2.weight");
        boolean shares = sizes.parallel() || pass.residual() == Residual.PARALLEL_WITHOUT_NORM;
        Norm network =
                !before ? Norm.NONE : shares && !has(feedForwardNorm + ".weight") ? own : norm(feedForwardNorm, width);
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
                has(prefix + "attn_sinks.weight") ? vector(prefix + "attn_sinks.weight", sizes.heads()) : NONE,
                linear(
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
        WeightMatrix both = linear(prefix + "ssm_in", Math.multiplyExact(2, inner), sizes.width());
        Weights.StateSpace stateSpace = new Weights.StateSpace(
                both.rows(0, inner),
                both.rows(inner, inner),
                transposed(prefix + "ssm_conv1d.weight", inner, scan.kernel(), inner),
                vector(prefix + "ssm_conv1d.bias", inner),
                linear(prefix + "ssm_x", Math.addExact(scan.rank(), 2 * scan.states()), inner),
                linear(prefix + "ssm_dt", inner, scan.rank()),
                transposed(prefix + "ssm_a", inner, scan.states(), Blocked.BLOCK),
                vector(prefix + "ssm_d", inner));
        return new Block(
                norm(prefix + "attn_norm", sizes.width()),
                null,
                null,
                stateSpace,
                null,
                null,
                NONE,
                linear(prefix + "ssm_out", sizes.width(), inner),
                Norm.NONE,
                Norm.NONE,
                null,
                null,
                Norm.NONE);
    }

    /** The values of a matrix, transposed in groups of so many rows. */
    private float[] transposed(String name, int rows, int columns, int group) {
        TensorSource source = shaped(name, Shape.of(rows, columns));
        float[] values = new float[Math.multiplyExact(rows, columns)];
        float[] row = new float[columns];
        for (int i = 0; i < rows; i++) {
            source.readRows(i, 1, row, 0);
            int first = i / group * group;
            int width = Math.min(group, rows - first);
            for (int column = 0; column < columns; column++) {
                values[first * columns + column * width + i - first] = row[column];
            }
        }
        return values;
    }

    private Projections projections(String prefix) {
        int width = sizes.width();
        int query = sizes.queryWidth();
        int key = sizes.keyWidth();
        int value = sizes.valueWidth();
        if (has(prefix + "attn_qkv.weight")) {
            WeightMatrix all = linear(prefix + "attn_qkv", query + key + value, width);
            return new Projections(all.rows(0, query), all.rows(query, key), all.rows(query + key, value));
        }
        return new Projections(
                linear(prefix + "attn_q", query, width),
                linear(prefix + "attn_k", key, width),
                linear(prefix + "attn_v", value, width));
    }

    private LatentProjections latent(String prefix) {
        Hyperparameters.Latent latent = sizes.latent();
        int rotated = sizes.rope().dimensions();
        int heads = sizes.heads();
        int plain = latent.keyLength() - rotated;
        int queries = heads * latent.keyLength();
        boolean narrow = latent.queryRank() > 0 && has(prefix + "attn_q_a.weight");
        WeightMatrix keys = stacked(prefix + "attn_k_b.weight", heads, latent.rank(), plain);
        WeightMatrix values = stacked(prefix + "attn_v_b.weight", heads, latent.valueLength(), latent.rank());
        List<WeightMatrix> keyOf = new ArrayList<>();
        List<WeightMatrix> valueOf = new ArrayList<>();
        for (int head = 0; head < heads; head++) {
            keyOf.add(keys.rows(head * latent.rank(), latent.rank()));
            valueOf.add(values.rows(head * latent.valueLength(), latent.valueLength()));
        }
        return new LatentProjections(
                narrow ? linear(prefix + "attn_q_a", latent.queryRank(), sizes.width()) : null,
                narrow ? norm(prefix + "attn_q_a_norm", latent.queryRank()) : Norm.NONE,
                narrow
                        ? linear(prefix + "attn_q_b", queries, latent.queryRank())
                        : linear(prefix + "attn_q", queries, sizes.width()),
                linear(prefix + "attn_kv_a_mqa", latent.rank() + rotated, sizes.width()),
                norm(prefix + "attn_kv_a_norm", latent.rank()),
                List.copyOf(keyOf),
                List.copyOf(valueOf));
    }

    /** @param kind what the tensors' names end in, "" or "_shexp" */
    private FeedForward feedForward(String prefix, String kind, int inner) {
        String up = prefix + "ffn_up" + kind;
        String gate = prefix + "ffn_gate" + kind;
        WeightMatrix down = linear(prefix + "ffn_down" + kind, sizes.width(), inner);
        if (!pass.activation().gated()) {
            return new FeedForward(null, linear(up, inner, sizes.width()), down);
        }
        if (has(gate + ".weight")) {
            return new FeedForward(linear(gate, inner, sizes.width()), linear(up, inner, sizes.width()), down);
        }
        // Gate and up in one matrix, the gate first.
        WeightMatrix both = linear(up, 2 * inner, sizes.width());
        return new FeedForward(both.rows(0, inner), both.rows(inner, inner), down);
    }

    private Experts experts(String prefix) {
        int count = sizes.experts().count();
        int inner = sizes.experts().feedForward();
        int width = sizes.width();
        boolean gated = pass.activation().gated();
        WeightMatrix down = stackedLinear(prefix + "ffn_down_exps", count, width, inner);
        WeightMatrix both = null;
        WeightMatrix gate = null;
        WeightMatrix up = null;
        if (gated && has(prefix + "ffn_gate_up_exps.weight")) {
            both = stackedLinear(prefix + "ffn_gate_up_exps", count, 2 * inner, width);
        } else {
            up = stackedLinear(prefix + "ffn_up_exps", count, inner, width);
            gate = gated ? stackedLinear(prefix + "ffn_gate_exps", count, inner, width) : null;
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
        FeedForward every = has(shared)
                ? feedForward(
                        prefix,
                        "_shexp",
                        Math.toIntExact(source(shared).info().shape().rowLength()))
                : null;
        String choice = prefix + "exp_probs_b.bias";
        String sharedGate = prefix + "ffn_gate_inp_shexp.weight";
        return new Experts(
                linear(prefix + "ffn_gate_inp", count, width),
                has(choice) ? vector(choice, count) : NONE,
                List.copyOf(experts),
                every,
                every != null && has(sharedGate) ? oneRow(sharedGate, width) : null);
    }

    private boolean wanted(Presence presence, String name) {
        return switch (presence) {
            case NONE -> false;
            case OPTIONAL -> has(name);
            case REQUIRED -> true;
        };
    }

    private boolean has(String name) {
        return model.tensors().get(name).isPresent();
    }

    private Norm norm(String name, int length) {
        float[] weight = pass.weightlessNorms() ? NONE : vector(name + ".weight", length);
        boolean biased = pass.norm() == ForwardPass.Norm.LAYER && has(name + ".bias");
        return new Norm(pass.norm(), weight, biased ? vector(name + ".bias", length) : NONE, sizes.normEpsilon());
    }

    /** One weight for each value of a head, for each value of each head, or for each value of the row. */
    private HeadNorm headNorm(String name, int head, int heads) {
        TensorSource source = source(name + ".weight");
        Shape shape = source.info().shape();
        int length = shape.elements() == head ? head : Math.multiplyExact(head, heads);
        Shape expected = shape.rank() == 2 ? Shape.of(heads, head) : Shape.of(length);
        if (!shape.equals(expected)) {
            throw refused(name + ".weight", "expected " + expected + ", found " + shape);
        }
        float[] weight = new float[Math.toIntExact(shape.elements())];
        source.readRows(0, Math.toIntExact(shape.rows()), weight, 0);
        boolean biased = pass.norm() == ForwardPass.Norm.LAYER && has(name + ".bias");
        Norm norm = new Norm(
                pass.norm(), weight, biased ? vector(name + ".bias", weight.length) : NONE, sizes.normEpsilon());
        return new HeadNorm(norm, shape.rank() == 2 ? head : length);
    }

    private int rowsOf(String name) {
        Shape shape = source(name).info().shape();
        if (shape.rank() != 2 || shape.dim(0) < 1 || shape.dim(0) > Integer.MAX_VALUE) {
            throw refused(name, "expected [rows, " + sizes.width() + "], found " + shape);
        }
        return (int) shape.dim(0);
    }

    private WeightMatrix embedding(int width) {
        TensorSource source = source("token_embd.weight");
        Shape shape = source.info().shape();
        if (shape.rank() != 2 || shape.dim(1) != width || shape.dim(0) < 1 || shape.dim(0) > Integer.MAX_VALUE) {
            throw refused("token_embd.weight", "expected [vocabulary, " + width + "], found " + shape);
        }
        return WeightMatrix.of(source, (int) shape.dim(0), width);
    }

    /** A matrix with the bias that it may have. */
    private WeightMatrix linear(String name, int rows, int columns) {
        WeightMatrix matrix = matrix(name + ".weight", rows, columns);
        return has(name + ".bias") ? matrix.withBias(vector(name + ".bias", rows)) : matrix;
    }

    private WeightMatrix matrix(String name, int rows, int columns) {
        return WeightMatrix.of(scaled(name, shaped(name, Shape.of(rows, columns))), rows, columns);
    }

    /** A matrix of one row, which a file may keep as a vector. */
    private WeightMatrix oneRow(String name, int columns) {
        TensorSource source = source(name);
        boolean vector = source.info().shape().rank() == 1;
        return WeightMatrix.of(shaped(name, vector ? Shape.of(columns) : Shape.of(1, columns)), 1, columns);
    }

    /** The rows of all experts' or heads' matrices, one matrix after the other. */
    private WeightMatrix stacked(String name, int count, int rows, int columns) {
        return WeightMatrix.of(shaped(name, Shape.of(count, rows, columns)), Math.multiplyExact(count, rows), columns);
    }

    private WeightMatrix stackedLinear(String name, int count, int rows, int columns) {
        WeightMatrix matrix = stacked(name + ".weight", count, rows, columns);
        String bias = name + ".bias";
        if (!has(bias)) {
            return matrix;
        }
        float[] values = new float[Math.multiplyExact(count, rows)];
        shaped(bias, Shape.of(count, rows)).readRows(0, count, values, 0);
        return matrix.withBias(values);
    }

    /** NVFP4 files keep one factor of a whole matrix in a tensor of its own; that of its input is not needed here. */
    private TensorSource scaled(String name, TensorSource matrix) {
        String stem = name.substring(0, name.length() - ".weight".length());
        used.add(stem + ".input_scale");
        if (model.tensors().get(stem + ".scale").isEmpty()) {
            return matrix;
        }
        return new Scaled(matrix.info(), matrix, vector(stem + ".scale", 1)[0]);
    }

    private float[] vector(String name, int length) {
        float[] values = new float[length];
        shaped(name, Shape.of(length)).readRows(0, 1, values, 0);
        return values;
    }

    private TensorSource shaped(String name, Shape shape) {
        TensorSource source = source(name);
        if (!source.info().shape().equals(shape)) {
            throw refused(name, "expected " + shape + ", found " + source.info().shape());
        }
        return source;
    }

    private TensorSource source(String name) {
        used.add(name);
        return model.tensors().get(name).orElseThrow(() -> refused(name, "missing"));
    }

    private InputException refused(String name, String problem) {
        return InputException.of(model.origin(), "tensor " + Quoted.of(name) + ": " + problem);
    }
}
