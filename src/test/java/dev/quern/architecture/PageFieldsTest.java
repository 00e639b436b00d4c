package dev.quern.architecture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.quern.architecture.ForwardPass.Norm;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.json.JsonMapper;

class PageFieldsTest {
    private static <T> T read(String json, Function<PageFields, T> reader) {
        return PageFields.read(JsonMapper.shared().readTree(json), "", reader);
    }

    @Test
    void readsWhatPagesHold() {
        assertEquals("8", read("{\"a\": 8}", fields -> fields.required("a")));
        assertEquals(List.of("x"), read("{\"a\": \"x\"}", fields -> fields.texts("a")));
        assertEquals(List.of("x", "y"), read("{\"a\": [\"x\", \"y\"]}", fields -> fields.texts("a")));
        assertEquals(List.of(), read("{}", fields -> fields.texts("a")));
        assertEquals("null", read("{\"a\": null}", fields -> String.valueOf(fields.text("a"))));
        assertEquals(Norm.LAYER, read("{\"a\": \"layer\"}", fields -> fields.constant("a", Norm.RMS)));
        assertEquals(Norm.RMS, read("{}", fields -> fields.constant("a", Norm.RMS)));
        assertEquals(
                List.of("z", "y"),
                read(
                        "{\"a\": {\"z\": 1, \"y\": 2}}",
                        fields -> List.copyOf(fields.named("a", (value, where) -> value.intValue())
                                .keySet())));
    }

    /** What is asked for stands first: the kind of field that the page should have under "a". */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "text      | {\"a\": [1]}          | /a is a list and should be a text",
                "texts     | {\"a\": [{}]}         | /a is an object and should be texts",
                "flag      | {\"a\": \"true\"}     | /a is a text and should be true or false",
                "number    | {\"a\": \"1\"}        | /a is a text and should be a number",
                "numbers   | {\"a\": {\"c\": \"1\"}} | /a/c is a text and should be a number",
                "integer   | {\"a\": 1.5}          | /a is a number and should be a whole number",
                "integer   | {\"a\": 4294967296}   | /a is a number and should be a whole number",
                "constant  | {\"a\": \"batch\"}    | /a is \"batch\", and may be one of rms, layer",
                "required  | {}                    | /a is missing",
                "object    | {\"a\": 1}            | /a is a number and should be an object",
                "objects   | {\"a\": [{}, 1]}      | /a/1 is a number and should be an object",
                "named     | {\"a\": []}           | /a is a list and should be an object",
                "text      | {\"a\": \"1\", \"b\": 2} | /b is not a field that pages have here",
                "objects   | {\"a\": [{\"c\": 1}]} | /a/0/c is not a field that pages have here",
                "text      | [1]                   | the page is a list and should be an object",
            })
    void namesWhatIsWrong(String kind, String json, String message) {
        Function<PageFields, Object> reader = fields -> String.valueOf(
                switch (kind) {
                    case "text" -> fields.text("a");
                    case "texts" -> fields.texts("a");
                    case "flag" -> fields.flag("a");
                    case "number" -> fields.number("a");
                    case "numbers" -> fields.numbers("a");
                    case "integer" -> fields.integer("a");
                    case "constant" -> fields.constant("a", Norm.RMS);
                    case "required" -> fields.required("a");
                    case "object" -> fields.object("a", object -> "");
                    case "objects" -> fields.objects("a", object -> "");
                    default -> fields.named("a", (value, where) -> "");
                });
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> read(json, reader))
                        .getMessage());
    }
}
