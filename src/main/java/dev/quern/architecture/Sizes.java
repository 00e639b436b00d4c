package dev.quern.architecture;

import dev.quern.architecture.Architecture.Size;
import dev.quern.checkpoint.ModelConfig;
import dev.quern.checkpoint.SentencePooling;
import dev.quern.io.InputException;
import dev.quern.tensor.Shape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** A model's hyperparameters by the names its page gives them, and the shapes that follow from them. */
public final class Sizes {
    /** The number of the layer that a rule is asked for, in its expressions. */
    static final String LAYER_NUMBER = "i";

    private final Architecture page;
    private final ModelConfig config;
    private final Map<String, Object> values = new HashMap<>();
    private final Set<String> done = new HashSet<>();
    private final Set<String> pending = new HashSet<>();
    private final Map<String, Expression> expressions = new HashMap<>();

    private Sizes(Architecture page, ModelConfig config) {
        this.page = page;
        this.config = config;
    }

    /** @throws InputException when the configuration lacks a size that has no default, or its default does not divide */
    static Sizes of(Architecture page, ModelConfig config) {
        Sizes sizes = new Sizes(page, config);
        page.hyperparameters().keySet().forEach(sizes::resolved);
        return sizes;
    }

    /** A default may speak of any other hyperparameter, so each is worked out when it is first asked for. */
    private @Nullable Object resolved(String name) {
        Size size = page.hyperparameters().get(name);
        if (size == null || done.contains(name)) {
            return values.get(name);
        }
        if (!pending.add(name)) {
            throw new IllegalArgumentException("hyperparameters: " + name + " follows from itself");
        }
        Object value = given(size, config);
        if (value == null) {
            value = fallback(size);
        }
        if (value == null && !size.optional()) {
            throw InputException.of(config.file(), missing(name, size))
                    .withHint("a " + page.title() + " configuration has this field");
        }
        if (value != null) {
            values.put(name, value);
        }
        done.add(name);
        return value;
    }

    private static String missing(String name, Size size) {
        return "\"" + (size.config().isEmpty() ? name : size.config().getFirst()) + "\" is missing";
    }

    private static @Nullable Object given(Size size, ModelConfig config) {
        if (size.type() == Architecture.SizeType.POOLING) {
            return SentencePooling.of(config.directory())
                    .map(pooling -> (double) pooling.id())
                    .orElse(null);
        }
        for (String field : size.config()) {
            if (config.has(field)) {
                return switch (size.type()) {
                    case INTEGER -> (double) config.integer(field).orElseThrow();
                    case REAL -> config.real(field).orElseThrow();
                    case BOOL -> config.bool(field).orElseThrow() ? 1.0 : 0.0;
                    case TEXT -> config.anyText(field).orElseThrow();
                    case LIST, POOLING -> list(config, field);
                };
            }
        }
        return null;
    }

    private static List<Object> list(ModelConfig config, String field) {
        List<Object> list = new ArrayList<>();
        JsonNode array = config.json().at("/" + field.replace('.', '/'));
        if (!array.isArray()) {
            throw config.refused(field, "expected a list");
        }
        for (JsonNode element : array) {
            list.add(
                    element.isNumber()
                            ? (Object) element.doubleValue()
                            : element.isBoolean() ? (Object) (element.booleanValue() ? 1.0 : 0.0) : element.asString());
        }
        return List.copyOf(list);
    }

    private @Nullable Object fallback(Size size) {
        String expression = size.fallback();
        if (expression == null) {
            return null;
        }
        Object value = evaluate(expression, 0);
        if (size.type() == Architecture.SizeType.INTEGER && value instanceof Double number) {
            return (double) whole(expression, number);
        }
        return value;
    }

    private long whole(String expression, double number) {
        if (number != Math.rint(number) || Math.abs(number) > 1L << 53) {
            throw InputException.of(config.file(), expression + " is " + number + ", which is no whole number");
        }
        return (long) number;
    }

    /** @return a Double, a String, a List of these, or null when something that it speaks of is missing */
    @Nullable
    Object evaluate(String expression, int layer) {
        return parsed(expression).value(scope(layer));
    }

    /** True for no condition at all. */
    boolean hold(@Nullable String condition, int layer) {
        return condition == null || parsed(condition).holds(scope(layer));
    }

    private Expression parsed(String expression) {
        return expressions.computeIfAbsent(expression, Expression::new);
    }

    private Expression.Scope scope(int layer) {
        return name -> name.equals(LAYER_NUMBER) ? (Double) (double) layer : resolved(name);
    }

    /** @throws IllegalStateException when the page names no such size, or the model has none */
    public long get(String name) {
        return integer(name, 0).orElseThrow(() -> new IllegalStateException("the model has no size " + name));
    }

    /** @throws InputException when the value is no whole number */
    OptionalLong integer(String expression, int layer) {
        return evaluate(expression, layer) instanceof Double number
                ? OptionalLong.of(whole(expression, number))
                : OptionalLong.empty();
    }

    OptionalDouble real(String expression, int layer) {
        return evaluate(expression, layer) instanceof Double number
                ? OptionalDouble.of(number)
                : OptionalDouble.empty();
    }

    /** A number that a tensor cannot do without. */
    long require(String expression, int layer) {
        long value = integer(expression, layer)
                .orElseThrow(() -> InputException.of(config.file(), "what " + expression + " is cannot be said")
                        .withHint("the configuration lacks a field that it follows from"));
        if (value < 0) {
            throw InputException.of(config.file(), expression + " is " + value);
        }
        return value;
    }

    Shape shape(List<String> dimensions, int layer) {
        return Shape.of(
                dimensions.stream().mapToLong(size -> require(size, layer)).toArray());
    }
}
