package dev.quern.architecture;

import dev.quern.checkpoint.ModelConfig;
import dev.quern.io.InputException;
import dev.quern.tensor.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/** A model's hyperparameters by the names its page gives them, and the shapes that follow from them. */
public final class Sizes {
    private final Map<String, Long> values = new LinkedHashMap<>();

    private Sizes() {}

    /** @throws InputException when the configuration lacks a size that has no default, or its default does not divide */
    static Sizes of(Architecture page, ModelConfig config) {
        Sizes sizes = new Sizes();
        page.hyperparameters().forEach((name, size) -> {
            OptionalLong given = OptionalLong.empty();
            for (String field : size.config()) {
                if (given.isEmpty()) {
                    given = config.integer(field);
                }
            }
            String fallback = size.fallback();
            if (given.isEmpty() && fallback == null) {
                throw InputException.of(config.file(), "\"" + size.config().getFirst() + "\" is missing")
                        .withHint("a " + page.title() + " configuration has this field");
            }
            sizes.values.put(
                    name, given.isPresent() ? given.getAsLong() : sizes.evaluate(String.valueOf(fallback), config));
        });
        return sizes;
    }

    public long get(String name) {
        Long value = values.get(name);
        if (value == null) {
            throw new IllegalStateException("the page names an unknown size " + name);
        }
        return value;
    }

    Shape shape(List<String> dimensions) {
        return Shape.of(dimensions.stream().mapToLong(this::product).toArray());
    }

    private long evaluate(String expression, ModelConfig config) {
        int slash = expression.indexOf('/');
        if (slash < 0) {
            return product(expression);
        }
        long dividend = product(expression.substring(0, slash));
        long divisor = product(expression.substring(slash + 1));
        if (divisor == 0 || dividend % divisor != 0) {
            throw InputException.of(config.file(), expression + ": " + dividend + " does not divide by " + divisor);
        }
        return dividend / divisor;
    }

    private long product(String expression) {
        long product = 1;
        for (String factor : expression.split("\\*", -1)) {
            product = Math.multiplyExact(
                    product, Character.isDigit(factor.charAt(0)) ? Long.parseLong(factor) : get(factor));
        }
        return product;
    }
}
