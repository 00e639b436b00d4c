package dev.quern.pipeline;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufTensor;
import dev.quern.gguf.GgufValue;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * GGUF models made up in a test: an architecture's name, hyperparameters, and tensors of a few rows each with random
 * weights. llama_model_quantize looks at names, shapes and hyperparameters and never builds the network, so that is
 * all a model needs to reach every rule.
 */
final class Fabricated {
    static final int WIDTH = 256;
    static final int ROWS = 2;

    private final Random random;
    private final String architecture;
    private final GgufMetadata metadata = new GgufMetadata();
    private final Map<String, GgufLayout.Entry> tensors = new LinkedHashMap<>();
    private QuantType matrixType = QuantType.F16;

    Fabricated(String architecture, int layers, int heads, int keyValueHeads) {
        this.random = new Random(architecture.hashCode() + 31L * layers + heads);
        this.architecture = architecture;
        metadata.put("general.architecture", GgufValue.text(architecture));
        key("block_count", GgufValue.u32(layers));
        key("context_length", GgufValue.u32(128));
        key("embedding_length", GgufValue.u32(WIDTH));
        key("feed_forward_length", GgufValue.u32(2 * WIDTH));
        key("attention.head_count", GgufValue.u32(heads));
        key("attention.head_count_kv", GgufValue.u32(keyValueHeads));
        key("attention.layer_norm_epsilon", GgufValue.f32(1e-5f));
        key("attention.layer_norm_rms_epsilon", GgufValue.f32(1e-5f));
        metadata.put("general.file_type", GgufValue.u32(1));
    }

    /** A llama, tensors and all. */
    static Fabricated llama(int layers, int heads, int keyValueHeads) {
        return llamaLike("llama", layers, heads, keyValueHeads);
    }

    static Fabricated llamaLike(String architecture, int layers, int heads, int keyValueHeads) {
        Fabricated model = new Fabricated(architecture, layers, heads, keyValueHeads).embeddings();
        for (int layer = 0; layer < layers; layer++) {
            String block = "blk." + layer + ".";
            model.attention(block)
                    .matrix(block + "ffn_down.weight", WIDTH)
                    .matrix(block + "ffn_gate.weight", WIDTH)
                    .matrix(block + "ffn_up.weight", WIDTH);
        }
        return model;
    }

    Fabricated embeddings() {
        return matrix("token_embd.weight", WIDTH).matrix("output.weight", WIDTH).vector("output_norm.weight");
    }

    Fabricated attention(String block) {
        return vector(block + "attn_norm.weight")
                .matrix(block + "attn_q.weight", WIDTH)
                .matrix(block + "attn_k.weight", WIDTH)
                .matrix(block + "attn_v.weight", WIDTH)
                .matrix(block + "attn_output.weight", WIDTH)
                .vector(block + "ffn_norm.weight");
    }

    /** A hyperparameter, below the architecture's name. */
    Fabricated key(String key, GgufValue value) {
        return set(architecture + "." + key, value);
    }

    Fabricated set(String key, GgufValue value) {
        metadata.put(key, value);
        return this;
    }

    Fabricated without(String key) {
        metadata.remove(key);
        return this;
    }

    /** The type of the matrices that are added from here on. */
    Fabricated as(QuantType type) {
        matrixType = type;
        return this;
    }

    Fabricated vector(String name) {
        return tensor(name, QuantType.F32, WIDTH);
    }

    Fabricated matrix(String name, int columns) {
        return tensor(name, matrixType, ROWS, columns);
    }

    Fabricated experts(String name, int experts) {
        return tensor(name, matrixType, experts, 1, WIDTH);
    }

    Fabricated tensor(String name, QuantType type, long... outermostFirst) {
        tensors.put(name, new GgufLayout.Entry(name, type, Shape.of(outermostFirst)));
        return this;
    }

    Fabricated withoutTensor(String name) {
        tensors.remove(name);
        return this;
    }

    Path write(Path file) throws IOException {
        write(file, metadata, List.copyOf(tensors.values()));
        return file;
    }

    /** As a split model: so many tensors, in the order they were added, in each part. Answers the parts. */
    List<Path> writeParts(Path folder, String prefix, int... counts) throws IOException {
        List<GgufLayout.Entry> entries = List.copyOf(tensors.values());
        List<Path> parts = new java.util.ArrayList<>();
        int from = 0;
        for (int count : counts) {
            int number = parts.size();
            GgufMetadata keys = number == 0 ? new GgufMetadata(metadata) : new GgufMetadata();
            keys.put("split.no", GgufValue.u16(number));
            keys.put("split.count", GgufValue.u16(counts.length));
            keys.put("split.tensors.count", GgufValue.i32(entries.size()));
            Path part = folder.resolve("%s-%05d-of-%05d.gguf".formatted(prefix, number + 1, counts.length));
            write(part, keys, entries.subList(from, from + count));
            parts.add(part);
            from += count;
        }
        if (from != entries.size()) {
            throw new IllegalArgumentException(from + " of " + entries.size() + " tensors");
        }
        return parts;
    }

    int size() {
        return tensors.size();
    }

    private void write(Path file, GgufMetadata keys, List<GgufLayout.Entry> entries) throws IOException {
        GgufLayout layout = GgufLayout.plan(keys, entries);
        try (FileChannel out = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            out.write(layout.header(), 0);
            for (GgufTensor tensor : layout.tensors()) {
                out.write(ByteBuffer.wrap(bytes(tensor)), layout.position(tensor));
            }
            if (out.size() < layout.fileSize()) {
                out.write(ByteBuffer.allocate(1), layout.fileSize() - 1);
            }
        }
    }

    private byte[] bytes(GgufTensor tensor) {
        QuantType type = tensor.type();
        int count = Math.toIntExact(tensor.shape().elements());
        if (type == QuantType.I32 || type == QuantType.I8 || type == QuantType.F64) {
            return new byte[Math.toIntExact(tensor.bytes())];
        }
        float[] values = values(count, tensor.shape().rank() < 2);
        ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(tensor.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        switch (type) {
            case F32 -> bytes.asFloatBuffer().put(values);
            case F16 -> {
                for (float value : values) {
                    bytes.putShort(Float.floatToFloat16(value));
                }
            }
            case BF16 -> {
                for (float value : values) {
                    bytes.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                }
            }
            default -> {
                // Which bytes is of no matter here: both sides read the same.
                BlockCodec codec = Codecs.create(type, Kernel.SCALAR);
                float[] importance = new float[count];
                java.util.Arrays.fill(importance, 1);
                codec.quantize(values, 0, count, importance, bytes.array(), 0);
            }
        }
        return bytes.array();
    }

    /** Bell-shaped with outliers, and now and then a run of zeros. */
    private float[] values(int count, boolean norm) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            double value = random.nextGaussian() * (random.nextInt(64) == 0 ? 0.2 : 0.03);
            values[i] = (float) (norm ? 1 + value : value);
        }
        if (count >= 64 && random.nextInt(8) == 0) {
            java.util.Arrays.fill(values, 16, 64, 0f);
        }
        return values;
    }

    /** Importance of every matrix but the embedding and the output, as llama-imatrix gives it. */
    ImportanceMatrix importance() {
        LinkedHashMap<String, ImportanceMatrix.Entry> entries =
                new LinkedHashMap<>(importanceOfAll().entries());
        entries.keySet().removeAll(List.of("output.weight", "token_embd.weight"));
        return new ImportanceMatrix(entries, List.of(), 1);
    }

    /** Importance of every matrix, some of whose columns saw nothing. */
    ImportanceMatrix importanceOfAll() {
        Random seeded = new Random(11);
        LinkedHashMap<String, ImportanceMatrix.Entry> entries = new LinkedHashMap<>();
        for (GgufLayout.Entry tensor : tensors.values()) {
            Shape shape = tensor.shape();
            if (shape.rank() < 2) {
                continue;
            }
            int matrices = shape.rank() < 3 ? 1 : (int) shape.dim(shape.rank() - 3);
            float[][] values = new float[matrices][(int) shape.rowLength()];
            for (float[] row : values) {
                for (int column = 0; column < row.length; column++) {
                    row[column] = seeded.nextInt(40) == 0 ? 0 : (float) Math.pow(seeded.nextGaussian(), 2);
                }
            }
            entries.put(tensor.name(), new ImportanceMatrix.Entry(values, List.of()));
        }
        return new ImportanceMatrix(entries, List.of(), 1);
    }
}
