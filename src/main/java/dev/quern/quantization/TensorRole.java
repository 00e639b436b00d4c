package dev.quern.quantization;

/** What a tensor is for, as far as the mixes care. Told from its GGUF name; the first that fits. */
public enum TensorRole {
    OUTPUT,
    TOKEN_EMBEDDING,
    /** attn_v, and the fused tensors that hold it: attn_qkv, attn_kv_b. */
    ATTENTION_V,
    ATTENTION_K,
    ATTENTION_Q,
    ATTENTION_OUTPUT,
    FFN_UP,
    FFN_GATE,
    FFN_DOWN,
    OTHER;

    public static TensorRole of(String name) {
        if (name.equals("output.weight")) {
            return OUTPUT;
        }
        if (name.equals("token_embd.weight") || name.equals("per_layer_token_embd.weight")) {
            return TOKEN_EMBEDDING;
        }
        if (name.contains("attn_qkv.weight") || name.contains("attn_kv_b.weight") || name.contains("attn_v.weight")) {
            return ATTENTION_V;
        }
        if (name.contains("attn_k.weight")) {
            return ATTENTION_K;
        }
        if (name.contains("attn_q.weight")) {
            return ATTENTION_Q;
        }
        if (name.contains("attn_output.weight")) {
            return ATTENTION_OUTPUT;
        }
        if (name.contains("ffn_up")) {
            return FFN_UP;
        }
        if (name.contains("ffn_gate")) {
            return FFN_GATE;
        }
        return name.contains("ffn_down") ? FFN_DOWN : OTHER;
    }
}
