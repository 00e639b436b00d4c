package dev.quern.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;

/** One model in both layouts, as its two exporters wrote it: the same numbers must come out. */
class BundledModelsTest {
    private static final Path HUGGING_FACE = Path.of("test-data/models/tolstoy-4m");
    private static final Path META = Path.of("test-data/models/tolstoy-4m-meta");

    private static final int LAYERS = 4;
    private static final int HEAD = 32;

    private static final Map<String, String> LAYER_NAMES = Map.of(
            "attention.wq", "self_attn.q_proj",
            "attention.wk", "self_attn.k_proj",
            "attention.wv", "self_attn.v_proj",
            "attention.wo", "self_attn.o_proj",
            "feed_forward.w1", "mlp.gate_proj",
            "feed_forward.w2", "mlp.down_proj",
            "feed_forward.w3", "mlp.up_proj",
            "attention_norm", "input_layernorm",
            "ffn_norm", "post_attention_layernorm");

    @Test
    void bothLayoutsHoldTheSameWeights() {
        try (Checkpoint huggingFace = Checkpoints.open(HUGGING_FACE);
                Checkpoint meta = Checkpoints.open(META)) {
            assertThat(huggingFace.tensors()).hasSize(3 + 9 * LAYERS);
            assertThat(meta.tensors()).hasSize(3 + 9 * LAYERS).doesNotContainKey("rope.freqs");
            assertSame(huggingFace, "model.embed_tokens.weight", meta, "tok_embeddings.weight", row -> row);
            assertSame(huggingFace, "model.norm.weight", meta, "norm.weight", row -> row);
            assertSame(huggingFace, "lm_head.weight", meta, "output.weight", row -> row);
            for (int layer = 0; layer < LAYERS; layer++) {
                String prefix = "layers." + layer + ".";
                LAYER_NAMES.forEach((theirs, ours) -> {
                    boolean rotated = theirs.equals("attention.wq") || theirs.equals("attention.wk");
                    assertSame(
                            huggingFace,
                            "model." + prefix + ours + ".weight",
                            meta,
                            prefix + theirs + ".weight",
                            rotated ? BundledModelsTest::metaRow : row -> row);
                });
            }
        }
    }

    /**
     * Hugging Face pairs row i of a head with row i + HEAD/2 for the rotation, Meta row 2i with row 2i + 1
     * (convert_llama_weights_to_hf.py: view(heads, HEAD/2, 2, dim).transpose(1, 2)).
     */
    private static int metaRow(int huggingFaceRow) {
        int head = huggingFaceRow / HEAD;
        int inside = huggingFaceRow % HEAD;
        return head * HEAD + inside % (HEAD / 2) * 2 + inside / (HEAD / 2);
    }

    private static void assertSame(
            Checkpoint huggingFace, String ours, Checkpoint meta, String theirs, IntUnaryOperator metaRow) {
        Shape shape = Objects.requireNonNull(huggingFace.tensors().get(ours)).shape();
        TensorSource left = huggingFace.open(ours, shape);
        TensorSource right = meta.open(theirs, shape);
        assertThat(right.info().shape()).isEqualTo(shape);
        int length = (int) shape.rowLength();
        float[] expected = new float[length];
        float[] found = new float[length];
        for (int row = 0; row < shape.rows(); row++) {
            left.readRows(row, 1, expected, 0);
            right.readRows(metaRow.applyAsInt(row), 1, found, 0);
            assertThat(found).as("%s row %s", theirs, row).isEqualTo(expected);
        }
    }

    @Test
    void metaParametersSpeakHuggingFacesWords() {
        try (Checkpoint huggingFace = Checkpoints.open(HUGGING_FACE);
                Checkpoint meta = Checkpoints.open(META)) {
            ModelConfig expected = huggingFace.config();
            ModelConfig found = meta.config();
            assertThat(meta.layout()).isEqualTo(Layout.META);
            assertThat(huggingFace.layout()).isEqualTo(Layout.HUGGING_FACE);
            for (String key : List.of(
                    "hidden_size",
                    "num_hidden_layers",
                    "num_attention_heads",
                    "num_key_value_heads",
                    "intermediate_size",
                    "vocab_size")) {
                assertThat(found.integer(key)).as(key).isEqualTo(expected.integer(key));
            }
            assertThat(found.texts("architectures")).isEqualTo(expected.texts("architectures"));
            assertThat(found.text("model_type")).isEqualTo(expected.text("model_type"));
            assertThat(found.text("torch_dtype")).isEqualTo(expected.text("torch_dtype"));
            assertThat(found.real("rms_norm_eps")).isEqualTo(expected.real("rms_norm_eps"));
            assertThat(found.real("rope_theta")).isEqualTo(expected.real("rope_theta"));
            assertThat(found.bool("tie_word_embeddings")).isEqualTo(expected.bool("tie_word_embeddings"));
            assertThat(found.has("rope_scaling")).isFalse();
            assertThat(expected.has("rope_scaling")).isFalse();
        }
    }

    @Test
    void readingOrderIsThePeers() {
        try (Checkpoint huggingFace = Checkpoints.open(HUGGING_FACE);
                Checkpoint meta = Checkpoints.open(META)) {
            assertThat(List.copyOf(huggingFace.tensors().keySet())).isSorted();
            assertThat(meta.tensors().firstEntry().getKey()).isEqualTo("tok_embeddings.weight");
            assertThat(meta.tensors().lastEntry().getKey()).isEqualTo("output.weight");
            assertThat(meta.files()).hasSize(2);
            assertThat(huggingFace.directory()).isEqualTo(HUGGING_FACE);
        }
    }

    @Test
    void oneFileOfTheModelOpensTheModel() {
        try (Checkpoint huggingFace = Checkpoints.open(HUGGING_FACE.resolve("model.safetensors"));
                Checkpoint meta = Checkpoints.open(META.resolve("consolidated.00.pth"))) {
            assertThat(huggingFace.tensors()).hasSize(39);
            assertThat(meta.files()).hasSize(2);
        }
    }

    @Test
    void checksumsOfRealFilesHold() {
        try (Checkpoint huggingFace = Checkpoints.open(HUGGING_FACE);
                Checkpoint meta = Checkpoints.open(META)) {
            huggingFace.verifyChecksums();
            meta.verifyChecksums();
            assertThat(meta.notes()).isEmpty();
        }
    }

    @Test
    void refusesAnotherShape() {
        try (Checkpoint huggingFace = Checkpoints.open(HUGGING_FACE);
                Checkpoint meta = Checkpoints.open(META)) {
            assertThatThrownBy(() -> huggingFace.open("model.norm.weight", Shape.of(512)))
                    .isInstanceOf(InputException.class)
                    .hasMessage("test-data/models/tolstoy-4m/model.safetensors: tensor \"model.norm.weight\": "
                            + "expected the shape [512], found [256]");
            assertThatThrownBy(() -> meta.open("output.weight", Shape.of(2049, 256)))
                    .isInstanceOf(InputException.class)
                    .hasMessage("test-data/models/tolstoy-4m-meta/consolidated.00.pth: tensor \"output.weight\": "
                            + "expected the shape [2049, 256], found [1024, 256] in each of 2 shards");
            assertThatThrownBy(() -> huggingFace.open("nobody", Shape.of(1)))
                    .isInstanceOf(InputException.class)
                    .hasMessage("test-data/models/tolstoy-4m: tensor \"nobody\": is in none of the weight files");
        }
    }
}
