package dev.quern.checkpoint;

/** Whose directory layout, tensor names and head order a checkpoint follows. */
public enum Layout {
    /** config.json with safetensors or pytorch_model.bin files. */
    HUGGING_FACE,
    /** params.json with consolidated.NN.pth files, as Meta publishes LLaMA. */
    META,
    /** One file of llama.cpp before GGUF: Meta's names and head order. */
    GGML
}
