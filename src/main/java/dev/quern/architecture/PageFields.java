package dev.quern.architecture;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeType;

/**
 * The fields of one object of a page. Each is asked for by its name; one that nobody asked for is a slip of the pen and
 * an error, not something to skip. Binding records by reflection instead took a fifth of the time of a short command.
 */
final class PageFields {
    private final JsonNode object;
    private final String where;
    private final Set<String> unread = new LinkedHashSet<>();

    private PageFields(JsonNode object, String where) {
        this.object = object;
        this.where = where;
        if (!object.isObject()) {
            throw wrong(where, "an object", object);
        }
        unread.addAll(object.propertyNames());
    }

    /**
     * What a reader makes of an object, all of whose fields it has to ask for.
     *
     * @param where the object's place in the page, "" for the page itself
     * @throws IllegalArgumentException for a field of another kind than the one asked for, or that nobody asks for
     */
    static <T> T read(JsonNode object, String where, Function<PageFields, T> reader) {
        PageFields fields = new PageFields(object, where);
        T read = reader.apply(fields);
        if (!fields.unread.isEmpty()) {
            throw new IllegalArgumentException(
                    fields.path(fields.unread.iterator().next()) + " is not a field that pages have here");
        }
        return read;
    }

    /** A text, or a number as one. */
    @Nullable
    String text(String name) {
        JsonNode value = value(name);
        if (value == null) {
            return null;
        }
        if (!value.isValueNode()) {
            throw wrong(path(name), "a text", value);
        }
        return value.asString();
    }

    /** @throws IllegalArgumentException also when it is not there */
    String required(String name) {
        String text = text(name);
        if (text == null) {
            throw new IllegalArgumentException(path(name) + " is missing");
        }
        return text;
    }

    /** Texts, or one text by itself; none when there is no such field. */
    List<String> texts(String name) {
        List<String> texts = optionalTexts(name);
        return texts == null ? List.of() : texts;
    }

    /** Likewise; null when there is no such field. */
    @Nullable
    List<String> optionalTexts(String name) {
        JsonNode value = value(name);
        if (value == null) {
            return null;
        }
        List<String> texts = new ArrayList<>();
        for (JsonNode each : value.isArray() ? value : List.of(value)) {
            if (!each.isValueNode()) {
                throw wrong(path(name), "texts", each);
            }
            texts.add(each.asString());
        }
        return List.copyOf(texts);
    }

    boolean flag(String name) {
        return Boolean.TRUE.equals(optionalFlag(name));
    }

    @Nullable
    Boolean optionalFlag(String name) {
        JsonNode value = value(name);
        if (value == null) {
            return null;
        }
        if (!value.isBoolean()) {
            throw wrong(path(name), "true or false", value);
        }
        return value.booleanValue();
    }

    @Nullable
    Double number(String name) {
        JsonNode value = value(name);
        return value == null ? null : number(value, path(name));
    }

    private static double number(JsonNode value, String path) {
        if (!value.isNumber()) {
            throw wrong(path, "a number", value);
        }
        return value.doubleValue();
    }

    /** Numbers by names of the page's own. */
    Map<String, Double> numbers(String name) {
        return named(name, PageFields::number);
    }

    @Nullable
    Integer integer(String name) {
        JsonNode value = value(name);
        if (value == null) {
            return null;
        }
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw wrong(path(name), "a whole number", value);
        }
        return value.intValue();
    }

    /** A constant by its name in any case. */
    <E extends Enum<E>> E constant(String name, E otherwise) {
        String text = text(name);
        return text == null ? otherwise : constant(path(name), text, otherwise.getDeclaringClass());
    }

    /** @throws IllegalArgumentException also when it is not there */
    <E extends Enum<E>> E required(String name, Class<E> type) {
        return constant(path(name), required(name), type);
    }

    <E extends Enum<E>> List<E> constants(String name, Class<E> type) {
        return texts(name).stream()
                .map(text -> constant(path(name), text, type))
                .toList();
    }

    private static <E extends Enum<E>> E constant(String path, String text, Class<E> type) {
        for (E each : type.getEnumConstants()) {
            if (each.name().equalsIgnoreCase(text)) {
                return each;
            }
        }
        throw new IllegalArgumentException(path + " is \"" + text + "\", and may be one of "
                + String.join(
                        ", ",
                        Stream.of(type.getEnumConstants())
                                .map(each -> each.name().toLowerCase(Locale.ROOT))
                                .toList()));
    }

    <T> @Nullable T object(String name, Function<PageFields, T> reader) {
        JsonNode value = value(name);
        return value == null ? null : read(value, path(name), reader);
    }

    /** @throws IllegalArgumentException also when it is not there */
    <T> T requiredObject(String name, Function<PageFields, T> reader) {
        T read = object(name, reader);
        if (read == null) {
            throw new IllegalArgumentException(path(name) + " is missing");
        }
        return read;
    }

    /** Objects in a list, or one by itself; none when there is no such field. */
    <T> List<T> objects(String name, Function<PageFields, T> reader) {
        JsonNode value = value(name);
        List<T> objects = new ArrayList<>();
        for (JsonNode each : value == null ? List.<JsonNode>of() : value.isArray() ? value : List.of(value)) {
            objects.add(read(each, path(name) + "/" + objects.size(), reader));
        }
        return List.copyOf(objects);
    }

    /** Values by names of the page's own, in the page's order. */
    <T> Map<String, T> named(String name, BiFunction<JsonNode, String, T> reader) {
        JsonNode value = value(name);
        Map<String, T> named = new LinkedHashMap<>();
        if (value != null) {
            if (!value.isObject()) {
                throw wrong(path(name), "an object", value);
            }
            value.properties()
                    .forEach(each ->
                            named.put(each.getKey(), reader.apply(each.getValue(), path(name) + "/" + each.getKey())));
        }
        return named;
    }

    private @Nullable JsonNode value(String name) {
        unread.remove(name);
        JsonNode value = object.get(name);
        return value == null || value.getNodeType() == JsonNodeType.NULL ? null : value;
    }

    private String path(String name) {
        return where + "/" + name;
    }

    private static IllegalArgumentException wrong(String path, String expected, JsonNode found) {
        String place = path.isEmpty() ? "the page" : path;
        String kind = switch (found.getNodeType()) {
            case ARRAY -> "a list";
            case OBJECT -> "an object";
            case STRING -> "a text";
            case BOOLEAN -> "true or false";
            default -> "a " + found.getNodeType().name().toLowerCase(Locale.ROOT);
        };
        return new IllegalArgumentException(place + " is " + kind + " and should be " + expected);
    }
}
