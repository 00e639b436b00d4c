package dev.quern.oracle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The reference itself: that it is the pinned one, and that it is called as it wants to be called. */
class LlamaCppTest {
    private static final int F16 = 1;
    private static final int Q8_0 = 8;
    private static final int Q4_K = 12;
    private static final int Q6_K = 14;
    private static final int FILE_TYPE_Q8_0 = 7;
    private static final int FILE_TYPE_Q4_K_M = 15;

    @TempDir
    Path folder;

    @Test
    void reproducesTheGoldenBlocks() {
        LlamaCpp library = LlamaCpp.require();
        JsonNode golden = JsonMapper.shared().readTree(Path.of("test-data/golden/blocks.json"));
        float[] importance = floats(golden.get("importance"));
        int compared = 0;
        for (var type : golden.get("types").properties()) {
            int id = type.getValue().get("id").asInt();
            assertThat(library.typeName(id)).isEqualToIgnoringCase(type.getKey());
            for (var row : type.getValue().get("outputs").properties()) {
                float[] values = floats(golden.get("inputs").get(row.getKey()));
                for (var output : row.getValue().properties()) {
                    boolean plain = output.getKey().equals("plain");
                    byte[] blocks = library.quantize(id, values, 1, values.length, plain ? null : importance);
                    assertThat(blocks)
                            .as("%s of %s, %s", type.getKey(), row.getKey(), output.getKey())
                            .isEqualTo(
                                    Base64.getDecoder().decode(output.getValue().asString()));
                    compared++;
                }
            }
        }
        assertThat(compared).isGreaterThan(26 * 19);
    }

    @Test
    void knowsEveryTypeItQuantizes() {
        LlamaCpp library = LlamaCpp.require();
        float[] ramp = new float[512];
        for (int i = 0; i < ramp.length; i++) {
            ramp[i] = (i - 256) / 256f;
        }
        float[] ones = new float[256];
        Arrays.fill(ones, 1);
        int known = 0;
        for (int type = 0; type < library.typeCount(); type++) {
            if (library.canQuantize(type)) {
                byte[] blocks = library.quantize(type, ramp, 2, 256, ones);
                assertThat(blocks.length).isEqualTo(512 / library.blockLength(type) * library.blockBytes(type));
                assertThat(library.dequantize(type, blocks, 512)[0])
                        .as(library.typeName(type))
                        .isBetween(-1.5f, -0.4f);
                known++;
            }
        }
        assertThat(known).isEqualTo(28);
    }

    @Test
    void refusesWhatWouldEndTheProcess() {
        LlamaCpp library = LlamaCpp.require();
        assertThatThrownBy(() -> library.typeName(library.typeCount())).hasMessageContaining("no type has the id");
        assertThatThrownBy(() -> library.quantize(Q4_K, new float[100], 1, 100, null))
                .hasMessageContaining("whole number of blocks of 256");
        assertThatThrownBy(() -> library.quantize(16, new float[256], 1, 256, null))
                .hasMessageContaining("iq2_xxs needs importance");
        assertThatThrownBy(() -> library.quantize(9, new float[256], 1, 256, null))
                .hasMessageContaining("type 9 cannot be quantized to");
    }

    @Test
    void convertsHalvesAsJavaDoes() {
        LlamaCpp library = LlamaCpp.require();
        short[] all = new short[1 << 16];
        float[] ofHalf = new float[all.length];
        float[] ofBrainFloat = new float[all.length];
        for (int i = 0; i < all.length; i++) {
            all[i] = (short) i;
            ofHalf[i] = Float.float16ToFloat((short) i);
            ofBrainFloat[i] = Float.intBitsToFloat(i << 16);
        }
        assertThat(library.fromHalf(all)).isEqualTo(ofHalf);
        assertThat(library.fromBrainFloat(all)).isEqualTo(ofBrainFloat);

        Random random = new Random(3);
        float[] values = new float[10_000];
        short[] halves = new short[values.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (random.nextFloat() - 0.5f) * 140_000;
            halves[i] = Float.floatToFloat16(values[i]);
        }
        assertThat(library.toHalf(values)).isEqualTo(halves);
    }

    /** A field in the wrong place would not fail: it would set another one. So every default is looked at. */
    @Test
    void structsAreThoseOfThisRelease() {
        LlamaCpp library = LlamaCpp.require();
        assertThat(library.version()).contains("0.5.0");
        try (Arena arena = Arena.ofConfined()) {
            assertThat(fields(Structs.MODEL_PARAMS, library.modelDefaults(arena)))
                    .containsExactly(
                            "devices=0",
                            "tensor_buft_overrides=0",
                            "n_gpu_layers=-1",
                            "split_mode=1",
                            "load_mode=-1",
                            "lazy_mode=1",
                            "main_gpu=0",
                            "tensor_split=0",
                            "progress_callback=0",
                            "progress_callback_user_data=0",
                            "kv_overrides=0",
                            "vocab_only=0",
                            "check_tensors=0",
                            "use_extra_bufts=1",
                            "no_host=0",
                            "no_alloc=0",
                            "load_mtp=0");
            assertThat(fields(Structs.CONTEXT_PARAMS, library.contextDefaults(arena)))
                    .containsExactly(
                            "n_ctx=512",
                            "n_batch=2048",
                            "n_ubatch=512",
                            "n_seq_max=1",
                            "n_rs_seq=0",
                            "n_outputs_max=0",
                            "n_outputs_max_per_seq=1",
                            "n_threads=4",
                            "n_threads_batch=4",
                            "ctx_type=0",
                            "rope_scaling_type=-1",
                            "pooling_type=-1",
                            "attention_type=-1",
                            "flash_attn_type=-1",
                            "rope_freq_base=0.0",
                            "rope_freq_scale=0.0",
                            "yarn_ext_factor=-1.0",
                            "yarn_attn_factor=-1.0",
                            "yarn_beta_fast=-1.0",
                            "yarn_beta_slow=-1.0",
                            "yarn_orig_ctx=0",
                            "defrag_thold=-1.0",
                            "cb_eval=0",
                            "cb_eval_user_data=0",
                            "type_k=1",
                            "type_v=1",
                            "abort_callback=0",
                            "abort_callback_data=0",
                            "embeddings=0",
                            "offload_kqv=1",
                            "no_perf=1",
                            "op_offload=1",
                            "swa_full=1",
                            "kv_unified=0",
                            "samplers=0",
                            "n_samplers=0",
                            "ctx_other=0");
            assertThat(fields(Structs.QUANTIZE_PARAMS, library.quantizeDefaults(arena)))
                    .containsExactly(
                            "nthread=0",
                            "ftype=7",
                            "output_tensor_type=43",
                            "token_embedding_type=43",
                            "allow_requantize=0",
                            "quantize_output_tensor=1",
                            "only_copy=0",
                            "pure=0",
                            "keep_split=0",
                            "dry_run=0",
                            "imatrix=0",
                            "kv_overrides=0",
                            "tt_overrides=0",
                            "prune_layers=0",
                            "max_buf_size=" + (8L << 30));
        }
    }

    @Test
    void readsGguf() throws Exception {
        LlamaCpp library = LlamaCpp.require();
        Path file = folder.resolve("tiny.gguf");
        TinyModel.write(file);
        GgufContents contents = library.readGguf(file);
        assertThat(contents.version()).isEqualTo(3);
        assertThat(contents.alignment()).isEqualTo(32);
        assertThat(contents.metadata())
                .containsEntry("general.name", "tiny")
                .containsEntry("llama.embedding_length", TinyModel.WIDTH)
                .containsEntry("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .containsEntry("tokenizer.ggml.tokens", TinyModel.TOKENS);
        assertThat(contents.tensors()).hasSize(3 + 9 * TinyModel.LAYERS);
        assertThat(contents.tensors().getFirst())
                .isEqualTo(new GgufContents.Tensor(
                        "token_embd.weight", 0, List.of(256L, 265L, 1L, 1L), 0, 256 * 265 * 4L));

        Path cut = folder.resolve("cut.gguf");
        Files.write(cut, Arrays.copyOf(Files.readAllBytes(file), 100));
        assertThatThrownBy(() -> library.readGguf(cut)).hasMessageContaining("gguf");
    }

    @Test
    void tokenizesAndRuns() {
        LlamaCpp.require();
        Path file = folder.resolve("tiny.gguf");
        TinyModel.write(file);
        try (LlamaModel model = LlamaCpp.load(file)) {
            assertThat(model.metadata()).containsEntry("general.name", "tiny").containsEntry("llama.block_count", "2");
            assertThat(model.vocabularySize()).isEqualTo(TinyModel.TOKENS.size());
            // <s>, "▁ab" and the byte of "!"
            byte[] text = "ab!".getBytes(StandardCharsets.UTF_8);
            assertThat(model.tokenize(text, true, false)).containsExactly(1, 263, 3 + '!');
            assertThat(model.tokenize(text, false, false)).containsExactly(263, 3 + '!');

            int[] tokens = {1, 260, 261, 262, 263, 264};
            float[] logits = model.logits(tokens);
            assertThat(logits).hasSize(tokens.length * model.vocabularySize());
            assertThat(model.logits(tokens)).isEqualTo(logits);
            // A token is judged by what comes before it alone, and a cache of halves changes little.
            float[] start = model.logits(Arrays.copyOf(tokens, 3), ContextOptions.FLOAT);
            for (int i = 0; i < start.length; i++) {
                assertThat(start[i]).isCloseTo(logits[i], Offset.offset(0.02f));
            }
        }
        try (LlamaModel model = LlamaCpp.loadVocabulary(file)) {
            assertThat(model.tokenize(new byte[] {'a'}, false, false)).hasSize(2);
        }
    }

    @Test
    void quantizesModels() {
        LlamaCpp library = LlamaCpp.require();
        Path file = folder.resolve("tiny.gguf");
        Path out = folder.resolve("q4.gguf");
        TinyModel.write(file);
        library.quantizeModel(file, out, FILE_TYPE_Q4_K_M, 2, new QuantizeOptions());
        assertThat(type(library.readGguf(out), "blk.1.attn_q.weight")).isEqualTo(Q4_K);
        assertThat(type(library.readGguf(out), "output.weight")).isEqualTo(Q6_K);

        float[] importance = new float[TinyModel.WIDTH];
        Arrays.fill(importance, 1);
        importance[0] = 100;
        Path weighed = folder.resolve("weighed.gguf");
        library.quantizeModel(
                file,
                weighed,
                FILE_TYPE_Q4_K_M,
                2,
                new QuantizeOptions()
                        .outputType(Q8_0)
                        .embeddingType(F16)
                        .tensorType("attn_k", Q8_0)
                        .importance("blk.0.attn_q.weight", importance)
                        .metadata("general.note", "weighed")
                        .metadata("general.number", 5L)
                        .prune(1));
        GgufContents contents = library.readGguf(weighed);
        assertThat(type(contents, "output.weight")).isEqualTo(Q8_0);
        assertThat(type(contents, "token_embd.weight")).isEqualTo(F16);
        assertThat(type(contents, "blk.0.attn_k.weight")).isEqualTo(Q8_0);
        assertThat(contents.metadata())
                .containsEntry("general.note", "weighed")
                .containsEntry("general.number", 5)
                .containsEntry("llama.block_count", 1);
        try (LlamaModel model = LlamaCpp.load(weighed)) {
            assertThat(model.logits(new int[] {1})).hasSize(model.vocabularySize());
        }

        assertThatThrownBy(() -> library.quantizeModel(out, weighed, FILE_TYPE_Q8_0, 2, new QuantizeOptions()))
                .hasMessageContaining("requantizing");
    }

    private static int type(GgufContents contents, String tensor) {
        return contents.tensors().stream()
                .filter(candidate -> candidate.name().equals(tensor))
                .findFirst()
                .orElseThrow()
                .ggmlType();
    }

    private static List<String> fields(StructLayout struct, MemorySegment at) {
        return struct.memberLayouts().stream()
                .filter(member -> member.name().isPresent())
                .map(member -> member.name().get() + "="
                        + field(member, at, Structs.offset(struct, member.name().get())))
                .toList();
    }

    private static Object field(MemoryLayout member, MemorySegment at, long offset) {
        return switch (member) {
            case ValueLayout.OfInt layout -> at.get(layout, offset);
            case ValueLayout.OfFloat layout -> at.get(layout, offset);
            case ValueLayout.OfLong layout -> at.get(layout, offset);
            // As a byte: a boolean that is neither 0 nor 1 is no boolean.
            case ValueLayout.OfBoolean layout -> at.get(ValueLayout.JAVA_BYTE, offset);
            case AddressLayout layout -> at.get(layout, offset).address();
            default -> throw new IllegalArgumentException(member.toString());
        };
    }

    private static float[] floats(JsonNode base64) {
        ByteBuffer bytes =
                ByteBuffer.wrap(Base64.getDecoder().decode(base64.asString())).order(ByteOrder.LITTLE_ENDIAN);
        float[] floats = new float[bytes.remaining() / Float.BYTES];
        bytes.asFloatBuffer().get(floats);
        return floats;
    }
}
