package dev.quern.pipeline;

import static dev.quern.quantization.FileType.*;

import dev.quern.gguf.GgufValue;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Every rule by which a model's build decides a tensor's type, in models made up to reach it: whole files. */
class MixIdentityTest {
    @TempDir
    Path folder;

    /** File types that some rule needs an importance matrix for. */
    static boolean needsImportance(FileType type) {
        return switch (type) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ2_M, IQ3_XXS, IQ3_XS, Q2_K_S -> true;
            default -> false;
        };
    }

    private void same(Fabricated model, FileType... types) throws IOException {
        same(model, Arrays.asList(types));
    }

    private void same(Fabricated model, List<FileType> types) throws IOException {
        Path in = model.write(folder.resolve("in.gguf"));
        for (FileType type : types) {
            if (!needsImportance(type)) {
                Identity.same(in, type, new Request());
            }
            Identity.same(in, type, new Request().importance(model.importance()));
        }
    }

    /** Sixteen layers: two in the first eighth, one in the first sixteenth. */
    @ParameterizedTest
    @EnumSource
    void sixteenLayers(FileType type) throws IOException {
        same(Fabricated.llama(16, 8, 8), type);
    }

    @ParameterizedTest
    @EnumSource
    void groupedQueries(FileType type) throws IOException {
        same(Fabricated.llama(4, 8, 1), type);
    }

    @ParameterizedTest
    @EnumSource
    void tiedEmbeddings(FileType type) throws IOException {
        same(Fabricated.llama(2, 4, 4).withoutTensor("output.weight"), type);
    }

    @ParameterizedTest
    @EnumSource
    void eightExperts(FileType type) throws IOException {
        same(experts(8), type);
    }

    @ParameterizedTest
    @EnumSource
    void fourExperts(FileType type) throws IOException {
        same(experts(4), type);
    }

    private static Fabricated experts(int experts) {
        int layers = 9;
        Fabricated model = new Fabricated("llama", layers, 8, 2)
                .key("expert_count", GgufValue.u32(experts))
                .key("expert_used_count", GgufValue.u32(2))
                .embeddings();
        for (int layer = 0; layer < layers; layer++) {
            String block = "blk." + layer + ".";
            model.attention(block).tensor(block + "ffn_gate_inp.weight", QuantType.F32, experts, Fabricated.WIDTH);
            model.experts(block + "ffn_down_exps.weight", experts)
                    .experts(block + "ffn_gate_exps.weight", experts)
                    .experts(block + "ffn_up_exps.weight", experts);
        }
        return model;
    }

    /** Older Mixtral files have a tensor for each expert; what counts is the layer in the name. */
    @Test
    void expertsAsTensorsOfTheirOwn() throws IOException {
        Fabricated model = new Fabricated("llama", 9, 8, 2)
                .key("expert_count", GgufValue.u32(3))
                .key("expert_used_count", GgufValue.u32(2))
                .embeddings();
        for (int layer = 0; layer < 9; layer++) {
            for (int expert = 0; expert < 3; expert++) {
                for (String part : List.of("ffn_down", "ffn_gate", "ffn_up")) {
                    model.matrix("blk." + layer + "." + part + "." + expert + ".weight", Fabricated.WIDTH);
                }
            }
        }
        same(model, Q4_K_M, Q4_K_S, Q3_K_M, IQ3_M, IQ3_XS, IQ2_M, IQ1_S, IQ4_NL, Q4_0, Q2_K_S);
    }

    @ParameterizedTest
    @EnumSource
    void falcon(FileType type) throws IOException {
        Fabricated model = new Fabricated("falcon", 32, 8, 1).embeddings();
        for (int layer = 0; layer < 32; layer++) {
            String block = "blk." + layer + ".";
            model.vector(block + "attn_norm.weight")
                    .tensor(block + "attn_norm.bias", QuantType.F32, Fabricated.WIDTH)
                    .matrix(block + "attn_qkv.weight", Fabricated.WIDTH)
                    .matrix(block + "attn_output.weight", Fabricated.WIDTH)
                    .matrix(block + "ffn_up.weight", Fabricated.WIDTH)
                    .matrix(block + "ffn_down.weight", Fabricated.WIDTH);
        }
        same(model, type);
    }

    @ParameterizedTest
    @CsvSource({"gpt2", "phi2", "bloom", "gptneox", "starcoder", "mpt", "baichuan"})
    void fusedQueriesKeysAndValues(String architecture) throws IOException {
        Fabricated model = new Fabricated(architecture, 8, 4, 4)
                .key("rope.dimension_count", GgufValue.u32(64))
                .key("use_parallel_residual", GgufValue.bool(true))
                .embeddings()
                .tensor("position_embd.weight", QuantType.F16, 3, Fabricated.WIDTH)
                .tensor("token_embd_norm.weight", QuantType.F32, Fabricated.WIDTH);
        for (int layer = 0; layer < 8; layer++) {
            String block = "blk." + layer + ".";
            model.matrix(block + "attn_qkv.weight", Fabricated.WIDTH)
                    .tensor(block + "attn_qkv.bias", QuantType.F32, Fabricated.WIDTH)
                    .matrix(block + "attn_output.weight", Fabricated.WIDTH)
                    .matrix(block + "ffn_up.weight", Fabricated.WIDTH)
                    .matrix(block + "ffn_down.weight", Fabricated.WIDTH);
        }
        same(model, Q3_K_M, Q3_K_L, Q4_K_S, Q4_K_M, Q5_K_M, IQ3_M, IQ2_M, Q2_K, IQ4_XS);
    }

    /** Models called 70B by their number of layers, and such as only look like it. */
    @ParameterizedTest
    @CsvSource({
        "llama, 80, 8, 1",
        "llama, 80, 8, 8",
        "llama, 79, 8, 1",
        "llama, 80, 3, 2",
        "qwen2, 80, 8, 8",
        "deci, 80, 8, 1",
        "olmo, 80, 8, 8",
        "jais2, 68, 8, 8",
        "mistral3, 80, 8, 1",
        "granite, 80, 8, 1",
        "qwen3, 80, 8, 1",
        "command-r, 80, 8, 1",
        "minicpm, 80, 8, 1",
        "olmo2, 80, 8, 1",
        "exaone, 80, 8, 1"
    })
    void seventyBillion(String architecture, int layers, int heads, int keyValueHeads) throws IOException {
        Fabricated model = new Fabricated(architecture, layers, heads, keyValueHeads)
                .key("logit_scale", GgufValue.f32(1))
                .embeddings();
        for (int layer = 0; layer < layers; layer++) {
            model.matrix("blk." + layer + ".attn_v.weight", Fabricated.WIDTH)
                    .matrix("blk." + layer + ".ffn_down.weight", Fabricated.WIDTH);
        }
        same(model, Q2_K, Q3_K_M, Q4_K_M, IQ2_XS);
    }

    /** Rows that 256 does not divide but 32 does, and rows that neither does. */
    @ParameterizedTest
    @EnumSource
    void rowsThatBlocksDoNotDivide(FileType type) throws IOException {
        Fabricated model = new Fabricated("llama", 2, 4, 4)
                .matrix("token_embd.weight", 96)
                .matrix("output.weight", 96)
                .matrix("blk.0.attn_k.weight", 320)
                .matrix("blk.0.attn_output.weight", 96)
                .matrix("blk.0.attn_q.weight", 640)
                .matrix("blk.0.attn_v.weight", 320)
                .matrix("blk.0.ffn_down.weight", 96)
                .matrix("blk.0.ffn_gate.weight", 32)
                .matrix("blk.0.ffn_up.weight", 224)
                .matrix("blk.1.attn_v.weight", 96)
                .matrix("blk.1.ffn_down.weight", 320);
        if (type == Q1_0) {
            Path in = model.write(folder.resolve("in.gguf"));
            Identity.refused(in, type, new Request(), "no tensor type fallback", "no smaller block stands in");
            return;
        }
        same(model, type);
    }

    /** Where not even 32 divides a row, F16 stands in. */
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "Q1_0")
    void rowsThatNoBlockDivides(FileType type) throws IOException {
        Fabricated model = new Fabricated("llama", 2, 4, 4)
                .matrix("token_embd.weight", 48)
                .matrix("output.weight", 48)
                .matrix("blk.0.attn_k.weight", 80)
                .matrix("blk.0.attn_v.weight", 16)
                .matrix("blk.0.ffn_down.weight", 8)
                .matrix("blk.0.ffn_up.weight", 300);
        same(model, type);
    }

    /** Names that tell a tensor to be left alone, each as a matrix, with others that only look like them. */
    @Test
    void namesThatAreKept() throws IOException {
        Fabricated model = new Fabricated("llama", 4, 4, 4).embeddings();
        List<String> names = new ArrayList<>(List.of(
                "position_embd.weight",
                "token_types.weight",
                "per_layer_token_embd.weight",
                "per_layer_model_proj.weight",
                "altup_proj.weight",
                "cls.weight",
                "cls.output.weight",
                "rope_freqs.weight",
                "v.position_embd.weight",
                "sam.pos_embd.weight",
                "sam.neck.0.weight",
                "sam.net_2.weight",
                "v.blk.0.attn_rel_b.weight",
                "a.rvq.codebook.weight",
                "mm.a.code_embd.weight",
                "v.patch_embd.weight",
                "mm.patch_merger.weight",
                "enc.blk.0.rel_pos.weight",
                "dec.blk.0.attn_q.weight",
                "other",
                "weight",
                "weight.bias",
                "blk.0.x.weights",
                "blk.12.attn_k.weight",
                "blk.2.attn_k.weight",
                "blk.x.attn_k.weight",
                "blk.1x.attn_q.weight"));
        for (String part : List.of(
                "attn_norm_2",
                "ffn_gate_inp",
                "ffn_gate_inp_shexp",
                "ffn_gate_tid2eid",
                "laurel_l",
                "ssm_conv1d",
                "ssm_conv1d_q",
                "shortconv.conv",
                "shortconv.in_proj",
                "indexer.k_proj",
                "indexer.q_proj",
                "indexer.attn_k",
                "time_mix_first",
                "time_mix_w0",
                "time_mix_w1",
                "time_mix_w2",
                "time_mix_v0",
                "time_mix_v1",
                "time_mix_v2",
                "time_mix_a0",
                "time_mix_a1",
                "time_mix_a2",
                "time_mix_g1",
                "time_mix_g2",
                "time_mix_decay_w1",
                "time_mix_decay_w2",
                "time_mix_lerp_fused",
                "time_mix_key",
                "time_mix_output",
                "attn_rel_b",
                "attn_kv_b",
                "attn_k_b",
                "attn_v_b",
                "attn_kv_a_mqa",
                "attn_q_a",
                "attn_qkv",
                "ffn_gate_up",
                "ffn_down_shexp",
                "ffn_norm_exps",
                "attn_output_gate",
                "ssm_in",
                "ssm_out")) {
            names.add("blk.1." + part + ".weight");
        }
        names.add("blk.1.attn_v.bias");
        names.forEach(name -> model.matrix(name, Fabricated.WIDTH));
        model.tensor("blk.3.attn_q.weight", QuantType.F16, 1, 1, Fabricated.WIDTH)
                .tensor("blk.3.attn_k.weight", QuantType.F16, 1, 2, Fabricated.WIDTH)
                .tensor("blk.3.attn_v.weight", QuantType.F16, 2, 1, Fabricated.WIDTH)
                .tensor("blk.3.scale.weight", QuantType.F32, 1)
                .tensor("blk.3.routing", QuantType.I32, Fabricated.WIDTH);
        same(model, Q4_0, Q8_0, Q4_K_M, IQ3_M, Q2_K, MXFP4_MOE, F32, BF16, IQ2_S, TQ1_0, Q2_0);
    }

    /** Attention tensors with a dimension for heads are experts to MXFP4_MOE, but not in every architecture. */
    @ParameterizedTest
    @CsvSource({"deepseek2", "bailingmoe3"})
    void threeDimensionalAttention(String architecture) throws IOException {
        Fabricated model = new Fabricated(architecture, 2, 4, 4).embeddings();
        DeepSeek.hyperparameters(model);
        for (String part : List.of("attn_k_b", "attn_v_b", "ffn_up_exps", "ffn_gate_exps", "ffn_down_exps")) {
            model.experts("blk.1." + part + ".weight", 4);
        }
        same(model, MXFP4_MOE, Q4_K_M);
    }
}
