package dev.quern.checkpoint;

import java.util.Optional;

/**
 * What a hyperparameter can sensibly be. The bounds lie well beyond every published model and keep any product of
 * three of them inside a long, so that a hostile configuration is refused before it becomes a size or a loop.
 */
record HyperparameterRange(long least, long most) {
    private static final HyperparameterRange WIDTH = new HyperparameterRange(1, 1 << 20);
    private static final HyperparameterRange COUNT = new HyperparameterRange(1, 4096);
    private static final HyperparameterRange CONTEXT = new HyperparameterRange(1, Integer.MAX_VALUE);

    /** The range of a field by its own name, wherever in the file it stands; both vocabularies, Meta's too. */
    static Optional<HyperparameterRange> of(String field) {
        return switch (field) {
            case "num_hidden_layers",
                    "n_layers",
                    "n_layer",
                    "num_layers",
                    "n_head",
                    "n_head_kv",
                    "num_kv_heads",
                    "multi_query_group_num",
                    "num_attention_heads",
                    "n_heads",
                    "num_key_value_heads",
                    "n_kv_heads" -> Optional.of(COUNT);
            // Dense models write 0 experts as often as they leave the field out.
            case "num_local_experts", "num_experts", "n_routed_experts", "num_experts_per_tok" ->
                Optional.of(new HyperparameterRange(0, 4096));
            case "hidden_size",
                    "dim",
                    "n_embd",
                    "n_embed",
                    "d_model",
                    "n_inner",
                    "ffn_hidden_size",
                    "head_dim",
                    "intermediate_size",
                    "moe_intermediate_size",
                    "shared_expert_intermediate_size",
                    "multiple_of" -> Optional.of(WIDTH);
            case "vocab_size" -> Optional.of(new HyperparameterRange(1, 1 << 24));
            case "max_position_embeddings", "original_max_position_embeddings", "sliding_window" ->
                Optional.of(CONTEXT);
            default -> Optional.empty();
        };
    }
}
