package dev.quern.checkpoint.ggml;

import dev.quern.io.Region;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.DType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.util.Optional;

/**
 * What a tensor of a file before GGUF holds.
 *
 * @param name ggml's
 */
record GgmlTensorType(String name, int blockLength, int blockBytes, Form form) {
    /** How a tensor's bytes are read. */
    private sealed interface Form {}

    private record Plain(DType dtype) implements Form {}

    /** The type of the same name in GGUF, block for block. */
    private record AsGguf(QuantType type) implements Form {}

    private record Old(OldBlocks.Form blocks) implements Form {}

    /** Empty for numbers that files of this version do not have. */
    static Optional<GgmlTensorType> of(long id, GgmlVersion version) {
        if (id == 0) {
            return Optional.of(new GgmlTensorType("F32", 1, 4, new Plain(DType.F32)));
        }
        if (id == 1) {
            return Optional.of(new GgmlTensorType("F16", 1, 2, new Plain(DType.F16)));
        }
        Optional<OldBlocks.Form> old = OldBlocks.Form.of(id, version);
        if (old.isPresent()) {
            OldBlocks.Form form = old.get();
            return Optional.of(new GgmlTensorType(form.type(), form.length(), form.bytes(), new Old(form)));
        }
        // 8-bit blocks for products, and what came with GGUF, were never in these files.
        boolean asGguf =
                version == GgmlVersion.GGJT_3 && (id >= 2 && id <= 8 && id != 4 && id != 5 || id >= 10 && id <= 14);
        return asGguf
                ? QuantType.fromId(id)
                        .map(type -> new GgmlTensorType(
                                type.name(), type.blockLength(), type.blockBytes(), new AsGguf(type)))
                : Optional.empty();
    }

    /** @param bytes exactly the tensor's */
    TensorSource source(String tensor, Shape shape, Region bytes) {
        long rowBytes = shape.rowLength() / blockLength * blockBytes;
        TensorInfo info = new TensorInfo(tensor, DType.F32, shape);
        return switch (form) {
            case Plain(DType dtype) -> new Stored(new TensorInfo(tensor, dtype, shape), bytes);
            case AsGguf(QuantType type) -> new Dequantized(info, bytes, type.name(), rowBytes, Codecs.decoder(type));
            case Old(OldBlocks.Form old) -> {
                OldBlocks blocks = OldBlocks.of(info, bytes, old);
                yield new Dequantized(
                        info, bytes, name, rowBytes, blocks, old.inGguf() ? Optional.of(blocks) : Optional.empty());
            }
        };
    }

    @Override
    public String toString() {
        return name;
    }
}
