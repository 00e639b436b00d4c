package dev.quern.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.checkpoint.torch.TorchFileWriter;
import dev.quern.io.InputException;
import dev.quern.tensor.Shape;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Meta's layout: how shards join, and what params.json means. */
class MetaCheckpointTest {
    private static final String PARAMS =
            "{\"dim\":4,\"n_layers\":1,\"n_heads\":2,\"multiple_of\":4,\"norm_eps\":1e-5,\"vocab_size\":-1}";

    @TempDir
    Path directory;

    private void put(String name, TorchFileWriter file) {
        Hostile.write(directory, name, file.bytes());
    }

    private void putParams(String json) {
        Hostile.write(directory, "params.json", json.getBytes(StandardCharsets.UTF_8));
    }

    private static TorchFileWriter shard() {
        return new TorchFileWriter().add("tok_embeddings.weight", new long[] {2, 2}, 1, 2, 3, 4);
    }

    private void refused(String message) {
        assertThatThrownBy(() -> Checkpoints.open(directory).close())
                .isInstanceOf(InputException.class)
                .hasMessage(directory + message);
    }

    // Joining

    private void putTwoShards() {
        putParams(PARAMS);
        put(
                "consolidated.00.pth",
                shard().add("norm.weight", new long[] {2}, 7, 8).add("output.weight", new long[] {2, 2}, 1, 2, 3, 4));
        put(
                "consolidated.01.pth",
                new TorchFileWriter()
                        .add("tok_embeddings.weight", new long[] {2, 2}, 5, 6, 7, 8)
                        .add("norm.weight", new long[] {2}, 7, 8)
                        .add("output.weight", new long[] {2, 2}, 5, 6, 7, 8));
    }

    private static float[] values(Checkpoint checkpoint, String name, long... shape) {
        float[] values = new float[(int) Shape.of(shape).elements()];
        checkpoint.open(name, Shape.of(shape)).readRows(0, (int) Shape.of(shape).rows(), values, 0);
        return values;
    }

    @Test
    void joinsRowsUnderRows() {
        putTwoShards();
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(values(checkpoint, "output.weight", 4, 2)).containsExactly(1, 2, 3, 4, 5, 6, 7, 8);
        }
    }

    @Test
    void joinsColumnsBesideColumns() {
        putTwoShards();
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(values(checkpoint, "tok_embeddings.weight", 2, 4)).containsExactly(1, 2, 5, 6, 3, 4, 7, 8);
        }
    }

    @Test
    void takesWhatEveryShardHoldsWhole() {
        putTwoShards();
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(values(checkpoint, "norm.weight", 2)).containsExactly(7, 8);
        }
    }

    @Test
    void replicasThatDiffer() {
        putTwoShards();
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThatThrownBy(() -> checkpoint.open("output.weight", Shape.of(2, 2)))
                    .isInstanceOf(InputException.class)
                    .hasMessage(directory.resolve("consolidated.01.pth")
                            + ": tensor \"output.weight\": element 0 differs from consolidated.00.pth, "
                            + "though every shard holds it whole");
        }
    }

    @Test
    void shapesThatShardsCannotMake() {
        putTwoShards();
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            for (Shape shape : new Shape[] {Shape.of(4, 4), Shape.of(8), Shape.of(2, 2, 2), Shape.of(3, 2)}) {
                assertThatThrownBy(() -> checkpoint.open("output.weight", shape))
                        .isInstanceOf(InputException.class)
                        .hasMessage(directory.resolve("consolidated.00.pth")
                                + ": tensor \"output.weight\": expected the shape " + shape
                                + ", found [2, 2] in each of 2 shards");
            }
            assertThatThrownBy(() -> checkpoint.open("nobody", Shape.of(1)))
                    .hasMessage(directory.resolve("consolidated.00.pth") + ": tensor \"nobody\": is not in this file");
        }
    }

    // Shards that do not belong together

    @Test
    void missingShard() {
        putParams(PARAMS);
        put("consolidated.00.pth", shard());
        put("consolidated.02.pth", shard());
        refused(": the shard consolidated.01.pth is missing");
        put("consolidated.01.pth", shard());
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.files()).hasSize(3);
        }
    }

    @Test
    void otherNames() {
        putParams(PARAMS);
        put("consolidated.00.pth", shard().add("a", new long[] {1}, 1));
        put("consolidated.01.pth", shard());
        refused("/consolidated.01.pth: tensor \"a\": is not in this file");
        put("consolidated.00.pth", shard());
        put("consolidated.01.pth", shard().add("b", new long[] {1}, 1));
        refused("/consolidated.01.pth: tensor \"b\": is not in consolidated.00.pth");
    }

    @Test
    void otherTypesAndShapes() {
        putParams(PARAMS);
        put("consolidated.00.pth", shard());
        put("consolidated.01.pth", new TorchFileWriter().addHalves("tok_embeddings.weight", 2, 2));
        refused("/consolidated.01.pth: tensor \"tok_embeddings.weight\": expected F32 [2, 2] as in "
                + "consolidated.00.pth, found F16 [2, 2]");
        put("consolidated.01.pth", new TorchFileWriter().add("tok_embeddings.weight", new long[] {1, 2}, 1, 2));
        refused("/consolidated.01.pth: tensor \"tok_embeddings.weight\": expected F32 [2, 2] as in "
                + "consolidated.00.pth, found F32 [1, 2]");
    }

    @Test
    void noParams() {
        put("consolidated.00.pth", shard());
        refused(": no params.json beside the consolidated.*.pth files");
    }

    // params.json

    private ModelConfig translated(String params) {
        putParams(params);
        put("consolidated.00.pth", shard());
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            return checkpoint.config();
        }
    }

    /** The published intermediate_size and max_position_embeddings of config.json for the same models. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        LLaMA 7B     |"dim":4096,"multiple_of":256,"n_heads":32,"n_layers":32,"norm_eps":1e-6|11008|2048|10000
        LLaMA 13B    |"dim":5120,"multiple_of":256,"n_heads":40,"n_layers":40,"norm_eps":1e-6|13824|2048|10000
        Llama 2 7B   |"dim":4096,"multiple_of":256,"n_heads":32,"n_layers":32,"norm_eps":1e-5|11008|4096|10000
        Llama 2 70B  |"dim":8192,"multiple_of":4096,"ffn_dim_multiplier":1.3,"n_heads":64,"n_kv_heads":8,"n_layers":80,"norm_eps":1e-5|28672|4096|10000
        Code Llama 34B|"dim":8192,"multiple_of":256,"ffn_dim_multiplier":1.0,"n_heads":64,"n_kv_heads":8,"n_layers":48,"norm_eps":1e-5,"rope_theta":1000000|22016|16384|1000000
        Llama 3 8B   |"dim":4096,"multiple_of":1024,"ffn_dim_multiplier":1.3,"n_heads":32,"n_kv_heads":8,"n_layers":32,"norm_eps":1e-5,"rope_theta":500000.0|14336|8192|500000
        Llama 3.1 8B |"dim":4096,"multiple_of":1024,"ffn_dim_multiplier":1.3,"n_heads":32,"n_kv_heads":8,"n_layers":32,"norm_eps":1e-5,"rope_theta":500000.0,"use_scaled_rope":true|14336|131072|500000
        Llama 3.2 1B |"dim":2048,"multiple_of":256,"ffn_dim_multiplier":1.5,"n_heads":32,"n_kv_heads":8,"n_layers":16,"norm_eps":1e-5,"rope_theta":500000.0,"use_scaled_rope":true|8192|131072|500000
        """)
    void publishedModels(String model, String params, long feedForward, long context, double theta) {
        ModelConfig config = translated("{\"vocab_size\":128," + params + "}");
        assertThat(config.integer("intermediate_size")).as(model).hasValue(feedForward);
        assertThat(config.integer("max_position_embeddings")).as(model).hasValue(context);
        assertThat(config.real("rope_theta")).as(model).hasValue(theta);
        assertThat(config.integer("vocab_size")).hasValue(128);
        assertThat(config.has("rope_scaling")).isEqualTo(params.contains("use_scaled_rope"));
    }

    /** Llama-3.1-8B's and Llama-3.2-1B's config.json differ in the factor alone. */
    @ParameterizedTest
    @CsvSource({"4096, 32, 8", "2048, 16, 32", "3072, 28, 32"})
    void scaledRope(long width, long layers, double factor) {
        ModelConfig config = translated(
                "{\"dim\":%d,\"multiple_of\":256,\"n_heads\":8,\"n_layers\":%d,\"norm_eps\":1e-5,\"rope_theta\":500000,\"use_scaled_rope\":true}"
                        .formatted(width, layers));
        assertThat(config.text("rope_scaling.rope_type")).hasValue("llama3");
        assertThat(config.real("rope_scaling.factor")).hasValue(factor);
        assertThat(config.real("rope_scaling.low_freq_factor")).hasValue(1);
        assertThat(config.real("rope_scaling.high_freq_factor")).hasValue(4);
        assertThat(config.integer("rope_scaling.original_max_position_embeddings"))
                .hasValue(8192);
    }

    @Test
    void vocabularyFromTheTensors() {
        // Embedding by columns, 2 of 4 in this shard: its rows are all there are.
        assertThat(translated(PARAMS).integer("vocab_size")).hasValue(2);
        putTwoShards();
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.config().integer("vocab_size")).hasValue(4);
            assertThat(checkpoint.config().bool("tie_word_embeddings")).hasValue(false);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        "moe":{"num_experts":8}|moe: a mixture of experts (Mixtral, Llama 4) in Meta's layout is not read
        "moe_args":{}|moe_args: a mixture of experts (Mixtral, Llama 4) in Meta's layout is not read
        "quantization_args":{}|quantization_args: a quantized checkpoint in Meta's layout is not read
        "vision_chunk_size":560|vision_chunk_size: a vision model in Meta's layout is not read
        "n_heads":3|n_heads: 3 does not divide dim 4
        "n_kv_heads":4|num_key_value_heads: 4 does not divide num_attention_heads 2
        "n_layers":5000|n_layers: expected an integer from 1 to 4096, found 5000
        "ffn_dim_multiplier":-1|ffn_dim_multiplier: expected a number above 0 and up to 1024, found -1.0
        "ffn_dim_multiplier":1e300|ffn_dim_multiplier: expected a number above 0 and up to 1024, found 1.0E300
        "vocab_size":-2|vocab_size: expected an integer from 1 to 16777216, found -2
        "norm_eps":"x"|norm_eps: expected a finite number, found "x"
        """)
    void paramsThatAreWrong(String field, String message) {
        String key = field.substring(0, field.indexOf(':'));
        String rest = PARAMS.contains(key)
                ? PARAMS.replaceFirst(key + ":[^,}]*", field)
                : PARAMS.replace("}", "," + field + "}");
        putParams(rest);
        put("consolidated.00.pth", shard());
        refused("/params.json: " + message);
    }

    @Test
    void paramsThatAreMissing() {
        putParams("{}");
        put("consolidated.00.pth", shard());
        refused("/params.json: dim: is not there");
    }

    @Test
    void fieldsWithoutCounterpartAreNoted() {
        putParams(PARAMS.replace("}", ",\"sliding_window\":4096}"));
        put("consolidated.00.pth", shard());
        try (Checkpoint checkpoint = Checkpoints.open(directory)) {
            assertThat(checkpoint.notes())
                    .containsExactly(directory.resolve("params.json") + ": not used: \"sliding_window\"");
        }
    }
}
