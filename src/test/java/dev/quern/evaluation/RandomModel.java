package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorInfo;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** A decoder with random weights and awkward sizes, in a file of floats. */
final class RandomModel {
    final GgufMetadata metadata = new GgufMetadata();
    private final List<TensorInfo> infos = new ArrayList<>();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final Random random;

    /** Without tensors yet, and with the metadata that every architecture has. */
    private RandomModel(String architecture, long seed, int context, int width, int blocks, int inner, int heads) {
        this.random = new Random(seed);
        metadata.put("general.architecture", GgufValue.text(architecture))
                .put(architecture + ".context_length", GgufValue.u32(context))
                .put(architecture + ".embedding_length", GgufValue.u32(width))
                .put(architecture + ".block_count", GgufValue.u32(blocks))
                .put(architecture + ".feed_forward_length", GgufValue.u32(inner))
                .put(architecture + ".attention.head_count", GgufValue.u32(heads))
                .put(architecture + ".attention.layer_norm_rms_epsilon", GgufValue.f32(1e-5f));
    }

    /** Width 40, 2 blocks, 6 heads of 10 with 3 heads of keys and values, feed-forward 77, vocabulary 131. */
    static RandomModel small(long seed) {
        return sized(seed, 40, 2, 6, 3, 10, 77, 131);
    }

    static RandomModel sized(
            long seed, int width, int blocks, int heads, int keyValueHeads, int head, int inner, int vocabulary) {
        RandomModel model = new RandomModel("llama", seed, 64, width, blocks, inner, heads);
        model.metadata
                .put("llama.attention.head_count_kv", GgufValue.u32(keyValueHeads))
                .put("llama.attention.key_length", GgufValue.u32(head))
                .put("llama.attention.value_length", GgufValue.u32(head));
        model.matrix("token_embd.weight", vocabulary, width);
        for (int i = 0; i < blocks; i++) {
            String block = "blk." + i + ".";
            model.vector(block + "attn_norm.weight", width);
            model.matrix(block + "attn_q.weight", heads * head, width);
            model.matrix(block + "attn_k.weight", keyValueHeads * head, width);
            model.matrix(block + "attn_v.weight", keyValueHeads * head, width);
            model.matrix(block + "attn_output.weight", width, heads * head);
            model.vector(block + "ffn_norm.weight", width);
            model.matrix(block + "ffn_gate.weight", inner, width);
            model.matrix(block + "ffn_up.weight", inner, width);
            model.matrix(block + "ffn_down.weight", width, inner);
        }
        model.vector("output_norm.weight", width);
        return model;
    }

    /** A Mamba of one block or more; odd sizes, and more channels than fit one block of them. */
    static RandomModel stateSpace(
            long seed, int width, int blocks, int kernel, int inner, int states, int rank, boolean normed) {
        RandomModel model = new RandomModel("mamba", seed, 1 << 20, width, blocks, 0, 0);
        model.metadata
                .put("mamba.ssm.conv_kernel", GgufValue.u32(kernel))
                .put("mamba.ssm.inner_size", GgufValue.u32(inner))
                .put("mamba.ssm.state_size", GgufValue.u32(states))
                .put("mamba.ssm.time_step_rank", GgufValue.u32(rank))
                .put("mamba.ssm.dt_b_c_rms", GgufValue.bool(normed));
        model.matrix("token_embd.weight", 131, width);
        for (int i = 0; i < blocks; i++) {
            String block = "blk." + i + ".";
            model.vector(block + "attn_norm.weight", width);
            model.matrix(block + "ssm_in.weight", 2 * inner, width);
            model.matrix(block + "ssm_conv1d.weight", inner, kernel);
            model.vector(block + "ssm_conv1d.bias", inner);
            model.matrix(block + "ssm_x.weight", rank + 2 * states, inner);
            model.matrix(block + "ssm_dt.weight", inner, rank);
            model.vector(block + "ssm_dt.bias", inner);
            float[] decays = new float[inner * states];
            for (int at = 0; at < decays.length; at++) {
                decays[at] = (float) -Math.exp(model.random.nextGaussian());
            }
            model.tensor(block + "ssm_a", Shape.of(inner, states), decays);
            model.vector(block + "ssm_d", inner);
            model.matrix(block + "ssm_out.weight", width, inner);
        }
        model.vector("output_norm.weight", width);
        return model;
    }

    /** Rows that keep a state's size: standard deviation 1 / sqrt(columns), doubled so that attention is not flat. */
    RandomModel matrix(String name, int rows, int columns) {
        double deviation = 2 / Math.sqrt(columns);
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * deviation);
        }
        return tensor(name, Shape.of(rows, columns), values);
    }

    RandomModel vector(String name, int length) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = 0.5f + random.nextFloat();
        }
        return tensor(name, Shape.of(length), values);
    }

    RandomModel tensor(String name, Shape shape, float... values) {
        infos.add(new TensorInfo(name, DType.F32, shape));
        ByteBuffer buffer = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asFloatBuffer().put(values);
        bytes.writeBytes(buffer.array());
        return this;
    }

    /** Replaces a tensor's first value. */
    RandomModel first(String name, float value) {
        byte[] all = bytes.toByteArray();
        long at = 0;
        for (TensorInfo info : infos) {
            if (info.name().equals(name)) {
                ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).putFloat((int) at, value);
            }
            at += 4 * info.shape().elements();
        }
        bytes.reset();
        bytes.writeBytes(all);
        return this;
    }

    Model open(Path directory) {
        return openWithout(directory, "");
    }

    /** The model as it would be if one tensor were not in the file. */
    Model openWithout(Path directory, String missing) {
        try {
            Path path = Files.write(Files.createTempFile(directory, "model", ".bin"), bytes.toByteArray());
            MappedFile file = MappedFile.open(path);
            TensorGraph tensors = new TensorGraph();
            long at = 0;
            for (TensorInfo info : infos) {
                Region region = file.region().slice(at, 4 * info.shape().elements());
                if (!info.name().equals(missing)) {
                    tensors.add(new Stored(info, region));
                }
                at += region.length();
            }
            return new Model("model.gguf", metadata, tensors, List.of(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
