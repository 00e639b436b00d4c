package dev.quern.pipeline;

import dev.quern.gguf.GgufValue;

/** Hyperparameters that llama.cpp insists on for DeepSeek's architecture and those built after it. */
final class DeepSeek {
    private DeepSeek() {}

    static void hyperparameters(Fabricated model) {
        model.key("expert_count", GgufValue.u32(4))
                .key("expert_used_count", GgufValue.u32(2))
                .key("expert_feed_forward_length", GgufValue.u32(256))
                .key("expert_shared_count", GgufValue.u32(1))
                .key("leading_dense_block_count", GgufValue.u32(1))
                .key("attention.q_lora_rank", GgufValue.u32(64))
                .key("attention.kv_lora_rank", GgufValue.u32(64))
                .key("attention.key_length", GgufValue.u32(128))
                .key("attention.value_length", GgufValue.u32(128))
                .key("attention.key_length_mla", GgufValue.u32(128))
                .key("attention.value_length_mla", GgufValue.u32(128))
                .key("rope.dimension_count", GgufValue.u32(64))
                .key("kda.head_dim", GgufValue.u32(64))
                .key("kda.gate_lower_bound", GgufValue.f32(-5))
                .key("ssm.conv_kernel", GgufValue.u32(4))
                .key("expert_group_count", GgufValue.u32(1))
                .key("expert_group_used_count", GgufValue.u32(1))
                .key("expert_weights_scale", GgufValue.f32(1))
                .key("expert_gating_func", GgufValue.u32(2));
    }
}
