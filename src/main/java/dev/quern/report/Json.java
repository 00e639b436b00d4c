package dev.quern.report;

import java.io.OutputStream;
import tools.jackson.core.StreamWriteFeature;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** JSON for machines: keys in the order they were put, numbers in full. */
public final class Json {
    private static final JsonMapper LINE = JsonMapper.builder().build();
    private static final JsonMapper PRETTY =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
    private static final JsonMapper STREAMED =
            PRETTY.rebuild().disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();

    private Json() {}

    /** Writes it as {@link #pretty(Object)} does, without holding the whole text: a list may be made as it is written. */
    public static void pretty(Object value, OutputStream out) {
        STREAMED.writeValue(out, value);
    }

    public static String line(Object value) {
        return LINE.writeValueAsString(value);
    }

    public static String pretty(Object value) {
        return PRETTY.writeValueAsString(value);
    }
}
