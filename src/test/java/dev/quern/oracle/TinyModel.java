package dev.quern.oracle;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A LLaMA of two layers with random weights, in the smallest GGUF file that llama.cpp loads. It is written here byte by
 * byte, without Quern's own writer, so that the two can be held against each other.
 */
final class TinyModel {
    static final int WIDTH = 256;
    static final int HEADS = 4;
    static final int FEED_FORWARD = 512;
    static final int LAYERS = 2;
    static final List<String> TOKENS = tokens();

    private static final int ALIGNMENT = 32;
    private static final int MAGIC = 0x46554747; // "GGUF"
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    private TinyModel() {}

    static void write(Path file) {
        Map<String, Object> metadata = metadata();
        Map<String, int[]> shapes = shapes();
        ByteBuffer head = ByteBuffer.allocate(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
        head.putInt(MAGIC).putInt(3).putLong(shapes.size()).putLong(metadata.size());
        metadata.forEach((key, value) -> {
            text(head, key);
            value(head, value);
        });
        long offset = 0;
        for (var tensor : shapes.entrySet()) {
            text(head, tensor.getKey());
            head.putInt(tensor.getValue().length);
            for (int dimension : tensor.getValue()) {
                head.putLong(dimension);
            }
            head.putInt(0).putLong(offset);
            offset += align(elements(tensor.getValue()) * (long) Float.BYTES);
        }
        Random random = new Random(7);
        try (OutputStream out = Files.newOutputStream(file)) {
            out.write(head.array(), 0, (int) align(head.position()));
            for (int[] shape : shapes.values()) {
                // Norms near one, matrices of the size that keeps the sums near one.
                boolean norm = shape.length == 1;
                ByteBuffer data = ByteBuffer.allocate((int) align(elements(shape) * (long) Float.BYTES))
                        .order(ByteOrder.LITTLE_ENDIAN);
                for (int i = 0; i < elements(shape); i++) {
                    double scale = norm ? 0.05 : 1 / Math.sqrt(shape[0]);
                    data.putFloat((float) (random.nextGaussian() * scale + (norm ? 1 : 0)));
                }
                out.write(data.array());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Map<String, Object> metadata() {
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("general.architecture", "llama");
        metadata.put("general.name", "tiny");
        metadata.put("llama.block_count", LAYERS);
        metadata.put("llama.context_length", 128);
        metadata.put("llama.embedding_length", WIDTH);
        metadata.put("llama.feed_forward_length", FEED_FORWARD);
        metadata.put("llama.attention.head_count", HEADS);
        metadata.put("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        metadata.put("tokenizer.ggml.model", "llama");
        metadata.put("tokenizer.ggml.tokens", TOKENS.toArray(String[]::new));
        metadata.put("tokenizer.ggml.scores", scores());
        metadata.put("tokenizer.ggml.token_type", types());
        return metadata;
    }

    private static Map<String, int[]> shapes() {
        Map<String, int[]> shapes = new LinkedHashMap<>();
        shapes.put("token_embd.weight", new int[] {WIDTH, TOKENS.size()});
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "blk." + layer + ".";
            shapes.put(block + "attn_norm.weight", new int[] {WIDTH});
            for (String name : List.of("attn_q", "attn_k", "attn_v", "attn_output")) {
                shapes.put(block + name + ".weight", new int[] {WIDTH, WIDTH});
            }
            shapes.put(block + "ffn_norm.weight", new int[] {WIDTH});
            shapes.put(block + "ffn_gate.weight", new int[] {WIDTH, FEED_FORWARD});
            shapes.put(block + "ffn_up.weight", new int[] {WIDTH, FEED_FORWARD});
            shapes.put(block + "ffn_down.weight", new int[] {FEED_FORWARD, WIDTH});
        }
        shapes.put("output_norm.weight", new int[] {WIDTH});
        shapes.put("output.weight", new int[] {WIDTH, TOKENS.size()});
        return shapes;
    }

    /** The three special tokens, a token for each byte, and a few pieces; ▁ stands for a space. */
    private static List<String> tokens() {
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        for (int value = 0; value < 256; value++) {
            tokens.add("<0x%02X>".formatted(value));
        }
        tokens.addAll(List.of("▁", "a", "b", "ab", "▁ab", "aba"));
        return List.copyOf(tokens);
    }

    private static float[] scores() {
        float[] scores = new float[TOKENS.size()];
        for (int i = 259; i < scores.length; i++) {
            scores[i] = 259 - i;
        }
        return scores;
    }

    private static int[] types() {
        int[] types = new int[TOKENS.size()];
        for (int i = 0; i < types.length; i++) {
            types[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1; // unknown, control, byte, normal
        }
        return types;
    }

    private static void value(ByteBuffer to, Object value) {
        switch (value) {
            case String text -> text(to.putInt(STRING), text);
            case Integer number -> to.putInt(UINT32).putInt(number);
            case Float number -> to.putInt(FLOAT32).putFloat(number);
            case String[] texts -> {
                to.putInt(ARRAY).putInt(STRING).putLong(texts.length);
                for (String text : texts) {
                    text(to, text);
                }
            }
            case float[] numbers -> {
                to.putInt(ARRAY).putInt(FLOAT32).putLong(numbers.length);
                for (float number : numbers) {
                    to.putFloat(number);
                }
            }
            case int[] numbers -> {
                to.putInt(ARRAY).putInt(INT32).putLong(numbers.length);
                for (int number : numbers) {
                    to.putInt(number);
                }
            }
            default -> throw new IllegalArgumentException(value + " has no place in GGUF");
        }
    }

    private static void text(ByteBuffer to, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        to.putLong(bytes.length).put(bytes);
    }

    private static int elements(int[] shape) {
        int elements = 1;
        for (int dimension : shape) {
            elements *= dimension;
        }
        return elements;
    }

    private static long align(long bytes) {
        return Math.ceilDiv(bytes, (long) ALIGNMENT) * ALIGNMENT;
    }
}
