package dev.quern.report;

import java.io.OutputStream;
import java.io.StringWriter;
import java.util.Collection;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.PrettyPrinter;
import tools.jackson.core.StreamWriteFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.util.DefaultPrettyPrinter;
import tools.jackson.databind.json.JsonMapper;

/**
 * JSON for machines: keys in the order they were put, numbers in full. Maps, lists and plain values are written here,
 * records and the like by Jackson's mapper: five hundred classes, which a start that needs none of them is quicker
 * without.
 */
public final class Json {
    /** What failed half-way shall not look whole. */
    private static final JsonFactory JSON =
            JsonFactory.builder().disable(StreamWriteFeature.AUTO_CLOSE_CONTENT).build();

    private static final JsonFactory STREAMED =
            JSON.rebuild().disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();

    private static final ObjectWriteContext INDENTED = new ObjectWriteContext.Base() {
        @Override
        public PrettyPrinter getPrettyPrinter() {
            return new DefaultPrettyPrinter();
        }

        @Override
        public boolean hasPrettyPrinter() {
            return true;
        }
    };

    /** Set up only where it is needed. */
    private static final class Mapper {
        private static final JsonMapper INSTANCE = JsonMapper.builder().build();
    }

    private Json() {}

    /** Writes it as {@link #pretty(Object)} does, without holding the whole text: a list may be made as it is written. */
    public static void pretty(Object value, OutputStream out) {
        try (JsonGenerator json = STREAMED.createGenerator(INDENTED, out)) {
            write(json, value);
        }
    }

    public static String line(Object value) {
        return text(value, ObjectWriteContext.empty());
    }

    public static String pretty(Object value) {
        return text(value, INDENTED);
    }

    private static String text(Object value, ObjectWriteContext context) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(context, text)) {
            write(json, value);
        }
        return text.toString();
    }

    @SuppressWarnings("IfChainToSwitch") // Whose bootstrap method would be run at each start.
    private static void write(JsonGenerator json, @Nullable Object value) {
        if (value instanceof Map<?, ?> map) {
            json.writeStartObject();
            map.forEach((key, each) -> {
                json.writeName(String.valueOf(key));
                write(json, each);
            });
            json.writeEndObject();
        } else if (value instanceof Collection<?> list) {
            json.writeStartArray();
            list.forEach(each -> write(json, each));
            json.writeEndArray();
        } else if (value instanceof long[] numbers) {
            json.writeArray(numbers, 0, numbers.length);
        } else if (value instanceof String text) {
            json.writeString(text);
        } else if (value instanceof Integer number) {
            json.writeNumber(number);
        } else if (value instanceof Long number) {
            json.writeNumber(number);
        } else if (value instanceof Double number) {
            json.writeNumber(number);
        } else if (value instanceof Float number) {
            json.writeNumber(number);
        } else if (value instanceof Boolean bool) {
            json.writeBoolean(bool);
        } else if (value == null) {
            json.writeNull();
        } else {
            Mapper.INSTANCE.writeValue(json, value);
        }
    }
}
