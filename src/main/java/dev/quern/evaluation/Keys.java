package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * A model's keys under its family's prefix. Every reading is remembered, so that at the end a key which nothing has read
 * can be refused: a number computed without it might be wrong.
 */
final class Keys {
    // Far above any model there is (width 16384, 126 blocks, context 10 million); what lies beyond is a damaged file.
    static final int MOST = 1 << 24;
    static final int MOST_BLOCKS = 1 << 14;

    /** What a forward pass over tokens has no use for. */
    private static final Set<String> NEUTRAL =
            Set.of("vocab_size", "tensor_data_layout", "rope.scaling.finetuned", "pooling_type");

    private final Model model;
    private final ForwardPass pass;
    private final Set<String> read = new HashSet<>();

    Keys(Model model, ForwardPass pass) {
        this.model = model;
        this.pass = pass;
    }

    /** @throws InputException naming a key that is there and was not read */
    void refuseUnread() {
        String prefix = key("");
        for (String key : model.metadata().asMap().keySet()) {
            if (key.startsWith(prefix)) {
                String name = key.substring(prefix.length());
                if (!read.contains(name) && !NEUTRAL.contains(name)) {
                    throw refused(name, "the evaluator does not know what it means in this architecture");
                }
            }
        }
    }

    private Optional<GgufValue> value(String name) {
        read.add(name);
        return model.metadata().get(key(name));
    }

    /** Whether the file says it. */
    boolean has(String name) {
        return value(name).isPresent();
    }

    /** Whether the file says it and the family gives it a meaning, or the family itself says it. */
    private boolean means(String name) {
        return pass.keys().contains(name) || pass.constants().containsKey(name);
    }

    /** A number of a key that only some families have; what the page says where the file does not, else {@code otherwise}. */
    double number(String name, double otherwise) {
        if (!means(name)) {
            return otherwise;
        }
        double fallback = pass.constants().getOrDefault(name, otherwise);
        double found = value(name)
                .map(value -> switch (value) {
                    case GgufValue.Real real -> real.value();
                    case GgufValue.Int whole -> (double) whole.value();
                    case GgufValue.Bool bool -> bool.value() ? 1.0 : 0.0;
                    default -> throw refused(name, "expected a number, found " + described(value));
                })
                .orElse(fallback);
        if (!Double.isFinite(found)) {
            throw refused(name, "expected a number, found " + found);
        }
        return found;
    }

    /** A count of a key that only some families have, else {@code otherwise}. */
    int count(String name, int otherwise) {
        double found = number(name, otherwise);
        if (found != Math.rint(found) || found < 0 || found > MOST) {
            throw refused(name, "expected 0 to " + MOST + ", found " + (long) found);
        }
        return (int) found;
    }

    boolean flag(String name) {
        return number(name, 0) != 0;
    }

    int required(String name, int most) {
        GgufValue value = value(name).orElseThrow(() -> refused(name, "expected an integer, the key is missing"));
        return whole(name, value, 1, most);
    }

    int optional(String name, int otherwise, int most) {
        return value(name).map(v -> whole(name, v, 1, most)).orElse(otherwise);
    }

    /** A value of whatever type. */
    Optional<GgufValue> any(String name) {
        return value(name);
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

    double positive(String name, Optional<Double> otherwise) {
        double found = real(name)
                .or(() -> otherwise)
                .orElseThrow(() -> refused(name, "expected a number, the key is missing"));
        if (!(found > 0) || !Double.isFinite(found)) {
            throw refused(name, "expected a positive number, found " + found);
        }
        return found;
    }

    Optional<Double> real(String name) {
        return value(name).map(value -> {
            if (!(value instanceof GgufValue.Real number)) {
                throw refused(name, "expected a floating-point number, found " + described(value));
            }
            return number.value();
        });
    }

    String text(String name, String otherwise) {
        return value(name)
                .map(value -> {
                    if (!(value instanceof GgufValue.Text text)) {
                        throw refused(name, "expected a text, found " + described(value));
                    }
                    return text.text();
                })
                .orElse(otherwise);
    }

    static String described(GgufValue value) {
        return value instanceof GgufValue.Array array
                ? "an array of " + array.size() + " " + array.element()
                : "a value of type " + value.type();
    }

    private String key(String name) {
        return model.metadata().architecture() + "." + name;
    }

    InputException refused(String name, String problem) {
        return InputException.of(model.origin(), "key " + Quoted.of(key(name)) + ": " + problem);
    }
}
