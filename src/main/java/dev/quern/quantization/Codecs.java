package dev.quern.quantization;

import dev.quern.tensor.RowDecoder;

/** The one place where a block type's codec is chosen. */
public final class Codecs {
    private Codecs() {}

    /**
     * A new codec for one thread.
     *
     * @throws IllegalArgumentException for a type that nothing is quantized to (I8, Q8_K, …)
     */
    public static BlockCodec create(QuantType type, Kernel kernel) {
        throw new IllegalArgumentException("no codec for " + type + " with " + kernel);
    }

    /** A stateless decoder of a type's blocks. */
    public static RowDecoder decoder(QuantType type) {
        throw new IllegalArgumentException("no decoder for " + type);
    }
}
