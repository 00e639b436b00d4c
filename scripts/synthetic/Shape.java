package synthetic;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A LLaMA model's measures, and its tensors as Meta names and orders them.
 *
 * @param ffn width of the feed-forward layer
 * @param tied whether the output matrix is the token embedding
 * @param experts of each feed-forward layer, as Mixtral has them, two used for a token; 0 for a dense model
 * @param ropeFreqs where Meta's checkpoint keeps its rotary frequencies: LLaMA 1 in every layer, Llama 2 once
 */
public record Shape(
        int layers,
        int width,
        int ffn,
        int heads,
        int kvHeads,
        int vocabulary,
        int context,
        double normEpsilon,
        boolean tied,
        int experts,
        RopeFreqs ropeFreqs) {
    public static final double ROPE_THETA = 10000.0;

    public enum RopeFreqs {
        LAYER,
        MODEL
    }

    public Shape {
        if (layers < 1 || width < 2 || ffn < 1 || heads < 1 || kvHeads < 1 || vocabulary < 1) {
            throw new Refusal("a model's measures are at least 1: " + layers + " layers, width " + width + ", ffn "
                    + ffn + ", " + heads + " heads, " + kvHeads + " kv heads, vocabulary " + vocabulary);
        }
        if (width % heads != 0 || width / heads % 2 != 0) {
            throw new Refusal("width " + width + " must be " + heads + " heads of an even length");
        }
        if (heads % kvHeads != 0) {
            throw new Refusal(heads + " heads cannot share " + kvHeads + " kv heads");
        }
        if (experts != 0 && experts < 2) {
            throw new Refusal(experts + " experts: a token uses two");
        }
        if (vocabulary < Vocabulary.SMALLEST) {
            throw new Refusal("vocabulary " + vocabulary
                    + " is too small: the special pieces, 256 bytes and an alphabet" + " need " + Vocabulary.SMALLEST);
        }
    }

    public static Shape preset(String name) {
        return switch (name) {
            case "tiny" -> new Shape(2, 256, 768, 8, 8, 512, 1024, 1e-5, false, 0, RopeFreqs.MODEL);
            case "7b" -> new Shape(32, 4096, 11008, 32, 32, 32000, 4096, 1e-5, false, 0, RopeFreqs.MODEL);
            case "13b" -> new Shape(40, 5120, 13824, 40, 40, 32000, 4096, 1e-5, false, 0, RopeFreqs.MODEL);
            case "tinyllama-1.1b" -> new Shape(22, 2048, 5632, 32, 4, 32000, 2048, 1e-5, false, 0, RopeFreqs.MODEL);
            // The measures of 65B (80, 8192, 22016, 64, 64, 32000) cut down by the same number of tensor-parallel
            // ranks.
            case "65b-mini" -> new Shape(8, 256, 768, 8, 8, 2048, 2048, 1e-5, false, 0, RopeFreqs.LAYER);
            default ->
                throw new Refusal("no preset " + name + ": there are tiny, tinyllama-1.1b, 7b, 13b and 65b-mini");
        };
    }

    /** How many files Meta publishes the preset's size in. */
    public static int presetShards(String name) {
        return switch (name) {
            case "13b" -> 2;
            case "65b-mini" -> 8;
            default -> 1;
        };
    }

    public int headWidth() {
        return width / heads;
    }

    public int kvWidth() {
        return kvHeads * headWidth();
    }

    /** In the order of Meta's files. */
    public List<Tensor> tensors() {
        List<Tensor> tensors = new ArrayList<>();
        tensors.add(Tensor.matrix("tok_embeddings.weight", vocabulary, width, Tensor.Split.COLUMNS));
        tensors.add(Tensor.norm("norm.weight", width));
        Tensor output = Tensor.matrix("output.weight", vocabulary, width, Tensor.Split.ROWS);
        tensors.add(tied ? output.withValuesOf("tok_embeddings.weight") : output);
        for (int layer = 0; layer < layers; layer++) {
            String at = "layers." + layer + ".";
            tensors.add(Tensor.matrix(at + "attention.wq.weight", width, width, Tensor.Split.ROWS));
            tensors.add(Tensor.matrix(at + "attention.wk.weight", kvWidth(), width, Tensor.Split.ROWS));
            tensors.add(Tensor.matrix(at + "attention.wv.weight", kvWidth(), width, Tensor.Split.ROWS));
            tensors.add(Tensor.matrix(at + "attention.wo.weight", width, width, Tensor.Split.COLUMNS));
            if (experts > 0) {
                tensors.add(Tensor.matrix(at + "feed_forward.gate.weight", experts, width, Tensor.Split.ROWS));
            }
            for (int expert = 0; expert < Math.max(1, experts); expert++) {
                String network = at + "feed_forward." + (experts == 0 ? "" : "experts." + expert + ".");
                tensors.add(Tensor.matrix(network + "w1.weight", ffn, width, Tensor.Split.ROWS));
                tensors.add(Tensor.matrix(network + "w2.weight", width, ffn, Tensor.Split.COLUMNS));
                tensors.add(Tensor.matrix(network + "w3.weight", ffn, width, Tensor.Split.ROWS));
            }
            tensors.add(Tensor.norm(at + "attention_norm.weight", width));
            tensors.add(Tensor.norm(at + "ffn_norm.weight", width));
            if (ropeFreqs == RopeFreqs.LAYER) {
                tensors.add(Tensor.ropeFreqs(at + "attention.inner_attention.rope.freqs", headWidth() / 2));
            }
        }
        if (ropeFreqs == RopeFreqs.MODEL) {
            tensors.add(Tensor.ropeFreqs("rope.freqs", headWidth() / 2));
        }
        return tensors;
    }

    /**
     * Meta's code derives the feed-forward width: two thirds of four times the width, times ffn_dim_multiplier where
     * there is one, rounded up to multiple_of.
     */
    public String paramsJson() {
        int derived = Math.toIntExact(2L * 4 * width / 3);
        int multipleOf = 256;
        String multiplier = "";
        if (Math.ceilDiv(derived, multipleOf) * multipleOf != ffn) {
            multipleOf = Integer.lowestOneBit(ffn);
            double aim = ffn - multipleOf / 2 + 0.5;
            multiplier = "\"ffn_dim_multiplier\": " + aim / derived + ", ";
        }
        String groups = kvHeads == heads ? "" : "\"n_kv_heads\": " + kvHeads + ", ";
        return String.format(
                Locale.ROOT,
                "{\"dim\": %d, %s\"multiple_of\": %d, \"n_heads\": %d, %s\"n_layers\": %d, \"norm_eps\": %s,"
                        + " \"vocab_size\": -1}",
                width,
                multiplier,
                multipleOf,
                heads,
                groups,
                layers,
                exponent(normEpsilon));
    }

    public String configJson(DType dtype) {
        return String.format(
                Locale.ROOT,
                """
                {
                  "architectures": [
                    "%s"
                  ],
                  "attention_bias": false,
                  "bos_token_id": 1,
                  "eos_token_id": 2,
                  "hidden_act": "silu",
                  "hidden_size": %d,
                  "initializer_range": 0.02,
                  "intermediate_size": %d,
                  "max_position_embeddings": %d,
                  "model_type": "%s",
                  "num_attention_heads": %d,%s
                  "num_hidden_layers": %d,
                  "num_key_value_heads": %d,
                  "rms_norm_eps": %s,
                  "rope_scaling": null,
                  "rope_theta": %s,
                  "tie_word_embeddings": %b,
                  "torch_dtype": "%s",
                  "use_cache": true,
                  "vocab_size": %d
                }
                """,
                experts > 0 ? "MixtralForCausalLM" : "LlamaForCausalLM",
                width,
                ffn,
                context,
                experts > 0 ? "mixtral" : "llama",
                heads,
                experts > 0 ? "\n  \"num_experts_per_tok\": 2,\n  \"num_local_experts\": " + experts + "," : "",
                layers,
                kvHeads,
                exponent(normEpsilon),
                ROPE_THETA,
                tied,
                dtype.torchName(),
                vocabulary);
    }

    /** The measures by the names of make-synthetic's options, without the braces. */
    public String optionsJson() {
        return String.format(
                Locale.ROOT,
                "\"layers\": %d, \"width\": %d, \"ffn\": %d, \"heads\": %d, \"kv_heads\": %d, \"vocab\": %d,"
                        + " \"experts\": %d, \"tied\": %b",
                layers,
                width,
                ffn,
                heads,
                kvHeads,
                vocabulary,
                experts,
                tied);
    }

    private static String exponent(double value) {
        return String.format(Locale.ROOT, "%.0e", value);
    }
}
