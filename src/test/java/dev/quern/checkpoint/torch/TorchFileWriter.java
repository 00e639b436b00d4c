package dev.quern.checkpoint.torch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Writes a small state dict of float tensors as torch.save would. */
public final class TorchFileWriter {
    private final PickleWriter pickle = PickleWriter.protocol2().op('}', '(');
    private final List<byte[]> storages = new ArrayList<>();

    /** A float32 tensor, row by row. */
    public TorchFileWriter add(String name, long[] shape, float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return add(name, "FloatStorage", shape, values.length, bytes.array());
    }

    /** A float16 tensor of ones. */
    public TorchFileWriter addHalves(String name, long... shape) {
        int count = 1;
        for (long dim : shape) {
            count *= (int) dim;
        }
        ByteBuffer bytes = ByteBuffer.allocate(2 * count).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            bytes.putShort((short) 0x3c00);
        }
        return add(name, "HalfStorage", shape, count, bytes.array());
    }

    private TorchFileWriter add(String name, String type, long[] shape, int count, byte[] bytes) {
        long[] strides = new long[shape.length];
        long stride = 1;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            strides[axis] = stride;
            stride *= shape[axis];
        }
        pickle.text(name)
                .global("torch._utils", "_rebuild_tensor_v2")
                .op('(')
                .storage(type, Integer.toString(storages.size()), count)
                .integer(0)
                .integers(shape)
                .integers(strides)
                .rest();
        storages.add(bytes);
        return this;
    }

    public byte[] bytes() {
        ZipWriter zip = new ZipWriter();
        zip.add("archive/data.pkl", pickle.end().bytes());
        for (int key = 0; key < storages.size(); key++) {
            zip.add("archive/data/" + key, storages.get(key));
        }
        zip.add("archive/version", "3\n");
        return zip.bytes();
    }
}
