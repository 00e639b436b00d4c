package dev.quern.evaluation;

import dev.quern.quantization.Codecs;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.DType;
import dev.quern.tensor.EncodedBlocks;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Tensors of floats that lie in no file. */
public final class InMemory {
    private InMemory() {}

    public static TensorSource matrix(float[][] rows) {
        float[] values = new float[rows.length * rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, values, i * rows[0].length, rows[0].length);
        }
        return tensor(new TensorInfo("w", DType.F32, Shape.of(rows.length, rows[0].length)), values);
    }

    public static TensorSource tensor(TensorInfo info, float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return new EncodedBlocks(
                info,
                MemorySegment.ofArray(bytes.array()),
                QuantType.F32.name(),
                info.shape().rowLength() * Float.BYTES,
                Codecs.decoder(QuantType.F32));
    }
}
