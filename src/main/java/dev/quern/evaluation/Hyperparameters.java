package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.util.Optional;

/**
 * The sizes and constants of a decoder, from GGUF metadata ({@code <architecture>.block_count} and so on).
 *
 * @param contextLength positions the model was trained with
 * @param width floats of a token's state ({@code embedding_length})
 * @param feedForward floats inside the feed-forward network
 * @param keyValueHeads heads of keys and values; each serves {@code heads / keyValueHeads} query heads
 * @param headDimension floats of a head
 * @param ropeDimensions leading floats of a head that are rotated
 * @param ropeScale what positions are multiplied by (1 / {@code rope.scaling.factor})
 */
record Hyperparameters(
        int contextLength,
        int width,
        int blocks,
        int feedForward,
        int heads,
        int keyValueHeads,
        int headDimension,
        float normEpsilon,
        int ropeDimensions,
        double ropeBase,
        double ropeScale) {
    // Far above any model there is (width 16384, 126 blocks, context 10 million); what lies beyond is a damaged file.
    private static final int MOST = 1 << 24;
    private static final int MOST_BLOCKS = 1 << 14;

    int queryWidth() {
        return heads * headDimension;
    }

    int keyValueWidth() {
        return keyValueHeads * headDimension;
    }

    /** @throws InputException naming the key that is missing, of the wrong type, or says what cannot be */
    static Hyperparameters of(Model model) {
        return new Reader(model).read();
    }

    private record Reader(Model model) {
        Hyperparameters read() {
            int width = required("embedding_length", MOST);
            int heads = required("attention.head_count", MOST);
            int keyValueHeads = optional("attention.head_count_kv", heads, MOST);
            if (heads % keyValueHeads != 0) {
                throw refused(
                        "attention.head_count_kv",
                        "expected a divisor of the " + heads + " heads, found " + keyValueHeads);
            }
            int headDimension = headDimension(width, heads);
            int rotated = optional("rope.dimension_count", headDimension, MOST);
            if (rotated % 2 != 0 || rotated > headDimension) {
                throw refused(
                        "rope.dimension_count",
                        "expected an even number up to the head's " + headDimension + ", found " + rotated);
            }
            if (optional("attention.value_length", headDimension, MOST) != headDimension) {
                throw refused(
                        "attention.value_length",
                        "expected the key length " + headDimension + ", found "
                                + optional("attention.value_length", headDimension, MOST));
            }
            refuseUnknownParts();
            return new Hyperparameters(
                    required("context_length", Integer.MAX_VALUE),
                    width,
                    required("block_count", MOST_BLOCKS),
                    required("feed_forward_length", MOST),
                    heads,
                    keyValueHeads,
                    headDimension,
                    (float) positive("attention.layer_norm_rms_epsilon", Optional.empty()),
                    rotated,
                    positive("rope.freq_base", Optional.of(10000.0)),
                    ropeScale());
        }

        private int headDimension(int width, int heads) {
            if (model.metadata().get(key("attention.key_length")).isPresent()) {
                return required("attention.key_length", MOST);
            }
            if (width % heads != 0) {
                throw refused(
                        "attention.head_count", "expected a divisor of embedding_length " + width + ", found " + heads);
            }
            return width / heads;
        }

        /** As llama.cpp reads it: a factor without a type is linear, and the type "none" switches the factor off. */
        private double ropeScale() {
            String type = model.metadata().text(key("rope.scaling.type")).orElse("linear");
            return switch (type) {
                case "none" -> 1;
                case "linear" -> {
                    double factor = real("rope.scaling.factor").orElse(0.0);
                    if (factor < 0 || !Double.isFinite(factor)) {
                        throw refused("rope.scaling.factor", "expected a positive number, found " + factor);
                    }
                    yield factor == 0 ? 1 : 1 / factor;
                }
                default ->
                    throw refused(
                            "rope.scaling.type",
                            "the evaluator knows \"none\" and \"linear\", found " + Quoted.of(type));
            };
        }

        private void refuseUnknownParts() {
            if (optionalZero("expert_count") != 0) {
                throw refused(
                        "expert_count",
                        "the evaluator knows no mixture of experts, found " + optionalZero("expert_count"));
            }
        }

        private int required(String name, int most) {
            GgufValue value = model.metadata()
                    .get(key(name))
                    .orElseThrow(() -> refused(name, "expected an integer, the key is missing"));
            return whole(name, value, 1, most);
        }

        private int optional(String name, int otherwise, int most) {
            return model.metadata()
                    .get(key(name))
                    .map(v -> whole(name, v, 1, most))
                    .orElse(otherwise);
        }

        private int optionalZero(String name) {
            return model.metadata()
                    .get(key(name))
                    .map(v -> whole(name, v, 0, MOST))
                    .orElse(0);
        }

        private int whole(String name, GgufValue value, int least, int most) {
            if (!(value instanceof GgufValue.Int number)) {
                throw refused(name, "expected an integer, found " + described(value));
            }
            if (number.value() < least || number.value() > most) {
                throw refused(
                        name, "expected " + least + " to " + most + ", found " + Long.toUnsignedString(number.value()));
            }
            return (int) number.value();
        }

        private double positive(String name, Optional<Double> otherwise) {
            double found = real(name)
                    .or(() -> otherwise)
                    .orElseThrow(() -> refused(name, "expected a number, the key is missing"));
            if (!(found > 0) || !Double.isFinite(found)) {
                throw refused(name, "expected a positive number, found " + found);
            }
            return found;
        }

        private Optional<Double> real(String name) {
            return model.metadata().get(key(name)).map(value -> {
                if (!(value instanceof GgufValue.Real number)) {
                    throw refused(name, "expected a floating-point number, found " + described(value));
                }
                return number.value();
            });
        }

        private static String described(GgufValue value) {
            return value instanceof GgufValue.Array array
                    ? "an array of " + array.size() + " " + array.element()
                    : "a value of type " + value.type();
        }

        private String key(String name) {
            return model.metadata().architecture() + "." + name;
        }

        private InputException refused(String name, String problem) {
            return InputException.of(model.origin(), "key " + Quoted.of(key(name)) + ": " + problem);
        }
    }
}
