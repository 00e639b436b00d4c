package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.Scaled;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A decoder's tensors under the names and with the shapes that the forward pass expects. Vectors are read at once,
 * matrices when they are needed.
 *
 * @param output the matrix that makes logits; the embedding itself when the model has no {@code output.weight}
 * @param ropeFactors divisors of the rotary frequencies, or empty
 */
record Weights(
        WeightMatrix embedding, List<Block> blocks, float[] outputNorm, WeightMatrix output, float[] ropeFactors) {
    record Block(
            float[] attentionNorm,
            WeightMatrix query,
            WeightMatrix key,
            WeightMatrix value,
            WeightMatrix attentionOutput,
            float[] feedForwardNorm,
            WeightMatrix gate,
            WeightMatrix up,
            WeightMatrix down) {}

    int vocabulary() {
        return embedding.rows();
    }

    /**
     * @throws InputException for a tensor that is missing, has another shape, or is there and has no part in the forward
     *     pass: a number computed without it would be wrong
     */
    static Weights of(Model model, Hyperparameters sizes) {
        return new Reader(model, new HashSet<>()).read(sizes);
    }

    private record Reader(Model model, Set<String> used) {
        Weights read(Hyperparameters sizes) {
            WeightMatrix embedding = embedding(sizes.width());
            List<Block> blocks = new ArrayList<>();
            for (int i = 0; i < sizes.blocks(); i++) {
                blocks.add(block("blk." + i + ".", sizes));
            }
            float[] outputNorm = vector("output_norm.weight", sizes.width());
            WeightMatrix output = model.tensors().get("output.weight").isPresent()
                    ? matrix("output.weight", embedding.rows(), sizes.width())
                    : embedding;
            float[] factors = model.tensors().get("rope_freqs.weight").isPresent()
                    ? vector("rope_freqs.weight", sizes.ropeDimensions() / 2)
                    : new float[0];
            for (String name : model.tensors().asMap().keySet()) {
                if (!used.contains(name)) {
                    throw refused(name, "the forward pass of this architecture has no place for it");
                }
            }
            return new Weights(embedding, List.copyOf(blocks), outputNorm, output, factors);
        }

        private Block block(String prefix, Hyperparameters sizes) {
            int width = sizes.width();
            return new Block(
                    vector(prefix + "attn_norm.weight", width),
                    matrix(prefix + "attn_q.weight", sizes.queryWidth(), width),
                    matrix(prefix + "attn_k.weight", sizes.keyValueWidth(), width),
                    matrix(prefix + "attn_v.weight", sizes.keyValueWidth(), width),
                    matrix(prefix + "attn_output.weight", width, sizes.queryWidth()),
                    vector(prefix + "ffn_norm.weight", width),
                    matrix(prefix + "ffn_gate.weight", sizes.feedForward(), width),
                    matrix(prefix + "ffn_up.weight", sizes.feedForward(), width),
                    matrix(prefix + "ffn_down.weight", width, sizes.feedForward()));
        }

        private WeightMatrix embedding(int width) {
            TensorSource source = source("token_embd.weight");
            Shape shape = source.info().shape();
            if (shape.rank() != 2 || shape.dim(1) != width || shape.dim(0) < 1 || shape.dim(0) > Integer.MAX_VALUE) {
                throw refused("token_embd.weight", "expected [vocabulary, " + width + "], found " + shape);
            }
            return WeightMatrix.of(source, (int) shape.dim(0), width);
        }

        private WeightMatrix matrix(String name, int rows, int columns) {
            return WeightMatrix.of(scaled(name, shaped(name, Shape.of(rows, columns))), rows, columns);
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
                throw refused(
                        name, "expected " + shape + ", found " + source.info().shape());
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
}
