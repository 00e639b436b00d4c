package dev.quern.checkpoint.safetensors;

import static dev.quern.checkpoint.safetensors.SafetensorsWriter.entry;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every way a safetensors file can be wrong, each with its message, and what is odd but right. */
class SafetensorsTest {
    private static final String GOOD = "{" + entry("w", "F32", "[2]", 0, 8) + "}";

    @TempDir
    Path directory;

    private void refused(byte[] bytes, String message) {
        Path path = Hostile.write(directory, "model.safetensors", bytes);
        try (MappedFile file = MappedFile.open(path)) {
            Hostile.assertRefused(path, message, () -> SafetensorsFile.read(file));
        }
    }

    private void refused(String header, int dataBytes, String message) {
        refused(SafetensorsWriter.file(header, dataBytes), message);
    }

    private Map<String, TensorSource> read(byte[] bytes) {
        Path path = Hostile.write(directory, "model.safetensors", bytes);
        try (MappedFile file = MappedFile.open(path)) {
            return SafetensorsFile.read(file).tensors();
        }
    }

    private Map<String, TensorSource> read(String header, int dataBytes) {
        return read(SafetensorsWriter.file(header, dataBytes));
    }

    // The length

    @Test
    void tooShortForALength() {
        refused(new byte[0], "expected the 8 bytes of a safetensors header length, found 0");
        refused(new byte[7], "expected the 8 bytes of a safetensors header length, found 7");
    }

    @Test
    void emptyHeader() {
        refused(new byte[8], "header: expected a JSON object");
    }

    @Test
    void lengthBeyondTheFile() {
        byte[] header = GOOD.getBytes(StandardCharsets.UTF_8);
        refused(
                SafetensorsWriter.withLength(header.length + 9, header, new byte[8]),
                "header length: expected at most the " + (header.length + 8) + " bytes left, found "
                        + (header.length + 9));
        refused(
                SafetensorsWriter.withLength(100_000_000, header, new byte[8]),
                "header length: expected at most the " + (header.length + 8) + " bytes left, found 100000000");
    }

    @Test
    void lengthBeyondTheLimit() {
        byte[] header = GOOD.getBytes(StandardCharsets.UTF_8);
        refused(
                SafetensorsWriter.withLength(100_000_001, header, new byte[8]),
                "header length: expected at most 100000000, found 100000001");
        refused(
                SafetensorsWriter.withLength(-1, header, new byte[8]),
                "header length: expected at most 100000000, found 18446744073709551615");
    }

    @Test
    void truncatedAnywhere() {
        byte[] whole = SafetensorsWriter.file(GOOD, 8);
        for (int length = 8 + GOOD.length(); length < whole.length; length++) {
            refused(
                    Arrays.copyOf(whole, length),
                    "expected 8 bytes of weights after the header, found " + (length - 8 - GOOD.length()));
        }
        for (int length = 8; length < 8 + GOOD.length(); length++) {
            refused(
                    Arrays.copyOf(whole, length),
                    "header length: expected at most the " + (length - 8) + " bytes left, found " + GOOD.length());
        }
    }

    // The JSON

    @Test
    void notUtf8() {
        byte[] header = GOOD.getBytes(StandardCharsets.UTF_8);
        header[2] = (byte) 0xff;
        refused(SafetensorsWriter.file(header, new byte[8]), "header: is not valid UTF-8");
    }

    @Test
    void notAnObject() {
        refused("[]", 0, "header: expected a JSON object");
        refused("\"w\"", 0, "header: expected a JSON object");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{} {}", "{}[]", "{}1"})
    void secondDocument(String header) {
        refused(header, 0, "header: goes on after the JSON object has ended");
    }

    @ParameterizedTest
    @ValueSource(strings = {" {}", "{}  ", "\n{}\t\r\n"})
    void whitespaceAroundTheHeader(String header) {
        assertThat(read(header, 0)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\uFEFF{}",
                "{}\0",
                "x",
                "{",
                "{\"w\":}",
                "{\"__metadata__\":null,}",
                "{\"\\ud800\":1}",
                "{/**/}",
                "{'w':1}",
                "{w:1}",
                "{\"w\":{\"dtype\":\"U8\",\"shape\":[01],\"data_offsets\":[0,1]}}",
                "{\"w\":{\"dtype\":\"U8\",\"shape\":[+1],\"data_offsets\":[0,1]}}",
                "{\"w\":{\"dtype\":\"U8\",\"shape\":[NaN],\"data_offsets\":[0,1]}}"
            })
    void notJson(String header) {
        Path path = Hostile.write(directory, "model.safetensors", SafetensorsWriter.file(header, 1));
        try (MappedFile file = MappedFile.open(path)) {
            assertThat(Hostile.bounded(() -> SafetensorsFile.read(file)))
                    .isInstanceOf(InputException.class)
                    .hasMessageMatching("(?s).*model\\.safetensors: header at character \\d+: .*")
                    .hasMessageNotContainingAny("\n", "\0");
        }
    }

    @Test
    void nestedBeyondReason() {
        String deep = "{\"w\":{\"extra\":" + "[".repeat(100_000) + "]".repeat(100_000) + "}}";
        Path path = Hostile.write(directory, "model.safetensors", SafetensorsWriter.file(deep, 0));
        try (MappedFile file = MappedFile.open(path)) {
            assertThat(Hostile.bounded(() -> SafetensorsFile.read(file)))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("nesting depth");
        }
    }

    // Names

    @Test
    void nameTwice() {
        refused(
                "{" + entry("w", "F32", "[1]", 0, 4) + "," + entry("w", "F32", "[1]", 0, 4) + "}",
                4,
                "header: holds the name \"w\" twice");
        refused(
                "{" + entry("w", "U8", "[4]", 0, 4) + "," + entry("w", "F32", "[1]", 0, 4) + "}",
                4,
                "header: holds the name \"w\" twice");
        refused(
                "{" + entry("w", "F32", "[1]", 0, 4) + "," + entry("\\u0077", "F32", "[1]", 0, 4) + "}",
                4,
                "header: holds the name \"w\" twice");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "../../x", "a\\u0000b", "a\\nb", "\\ud83c\\udf3e"})
    void namesAreNoPaths(String name) {
        assertThat(read("{" + entry(name, "F32", "[1]", 0, 4) + "}", 4)).hasSize(1);
    }

    // Metadata

    @Test
    void metadata() {
        assertThat(read("{\"__metadata__\":{\"format\":\"pt\"}}", 0)).isEmpty();
        assertThat(read("{\"__metadata__\":null}", 0)).isEmpty();
        refused("{\"__metadata__\":1}", 0, "header: __metadata__: expected an object of texts");
        refused("{\"__metadata__\":{\"a\":1}}", 0, "header: __metadata__: \"a\": expected a text");
        refused("{\"__metadata__\":{\"a\":{}}}", 0, "header: __metadata__: \"a\": expected a text");
        refused("{\"__metadata__\":{\"a\":null}}", 0, "header: __metadata__: \"a\": expected a text");
        refused("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "header: __metadata__: holds the key \"a\" twice");
        refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "header: holds the name \"__metadata__\" twice");
    }

    // Fields

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        {"shape":[1],"data_offsets":[0,4]}|has no dtype
        {"dtype":"F32","data_offsets":[0,4]}|has no shape
        {"dtype":"F32","shape":[1]}|has no data_offsets
        {"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}|has dtype twice
        {"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}|has shape twice
        {"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}|has data_offsets twice
        {"dtype":"F32","shape":[1],"data_offsets":[0]}|data_offsets: expected 2 numbers, found 1
        {"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}|data_offsets: more than 2 numbers
        {"dtype":"F32","shape":1,"data_offsets":[0,4]}|shape: expected an array of integers
        {"dtype":"F32","shape":[1],"data_offsets":4}|data_offsets: expected an array of integers
        {"dtype":1,"shape":[1],"data_offsets":[0,4]}|dtype: expected a text
        {"dtype":"F33","shape":[1],"data_offsets":[0,4]}|unknown dtype "F33"
        {"dtype":"f32","shape":[1],"data_offsets":[0,4]}|unknown dtype "f32"
        {"dtype":"F32","shape":[-1],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found "-1"
        {"dtype":"F32","shape":[-0],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found "-0"
        {"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found "1.0"
        {"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found "1e0"
        {"dtype":"F32","shape":["1"],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found "1"
        {"dtype":"F32","shape":[true],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found "true"
        {"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found an array
        {"dtype":"F32","shape":[null],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found null
        {"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}|shape: expected an integer from 0 to 2^63-1, found "9223372036854775808"
        {"dtype":"F32","shape":[1],"data_offsets":[-4,0]}|data_offsets: expected an integer from 0 to 2^63-1, found "-4"
        {"dtype":"F32","shape":[1],"data_offsets":[4,0]}|data_offsets [4, 0] end before they begin
        {"dtype":"F32","shape":[2],"data_offsets":[0,4]}|expected 8 bytes for F32 [2], found 4
        {"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}|shape [4294967296, 4294967296] has more than 2^63-1 bits
        {"dtype":"F32","shape":[4194305,4194305,211106198978564],"data_offsets":[0,4]}|shape [4194305, 4194305, 211106198978564] has more than 2^63-1 bits
        {"dtype":"F32","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]}|shape [0, 9223372036854775807, 9223372036854775807] has more than 2^63-1 bits
        {"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}|shape: more than 8 numbers
        {"dtype":"F4","shape":[3],"data_offsets":[0,2]}|F4 [3] ends inside a byte
        1|expected an object with dtype, shape and data_offsets
        """)
    void entriesThatAreWrong(String fields, String message) {
        refused("{\"w\":" + fields + "}", 4, "tensor \"w\": " + message);
    }

    @Test
    void fieldsThatNobodyKnows() {
        assertThat(read("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"extra\":{\"a\":[1]}}}", 4))
                .containsOnlyKeys("w");
    }

    // The layout

    @Test
    void holes() {
        refused(
                "{" + entry("w", "F32", "[1]", 4, 8) + "}",
                8,
                "tensor \"w\": data_offsets begin at 4 where the tensors before end at 0 (a hole)");
        refused(
                "{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("b", "F32", "[1]", 8, 12) + "}",
                12,
                "tensor \"b\": data_offsets begin at 8 where the tensors before end at 4 (a hole)");
    }

    @Test
    void overlaps() {
        refused(
                "{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[2]", 4, 12) + "}",
                12,
                "tensor \"b\": data_offsets begin at 4 where the tensors before end at 8 (an overlap)");
        refused(
                "{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("b", "F32", "[1]", 0, 4) + "}",
                4,
                "tensor \"b\": data_offsets begin at 0 where the tensors before end at 4 (an overlap)");
    }

    @Test
    void bytesThatBelongToNoTensor() {
        refused(GOOD, 9, "1 bytes after the last tensor belong to none");
        refused("{}", 4, "4 bytes after the last tensor belong to none");
        // A zip behind the weights would make the file two things at once.
        byte[] polyglot = SafetensorsWriter.file(GOOD.getBytes(StandardCharsets.UTF_8), new byte[30]);
        polyglot[polyglot.length - 22] = 'P';
        refused(polyglot, "22 bytes after the last tensor belong to none");
    }

    @Test
    void emptyTensorsTakeNoPlace() {
        assertThat(read(
                        "{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("e", "F32", "[0,3]", 4, 4) + ","
                                + entry("b", "F32", "[1]", 4, 8) + "}",
                        8))
                .containsOnlyKeys("a", "b", "e");
        refused(
                "{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("e", "F32", "[0]", 4, 4) + "}",
                8,
                "tensor \"e\": data_offsets begin at 4 where the tensors before end at 8 (an overlap)");
    }

    @Test
    void scalarsAndUnalignedTensors() {
        byte[] header = ("{" + entry("a", "U8", "[1]", 0, 1) + "," + entry("s", "F32", "[]", 1, 5) + "}")
                .getBytes(StandardCharsets.UTF_8);
        byte[] data = ByteBuffer.allocate(5)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) 7)
                .putFloat(1.5f)
                .array();
        Path path = Hostile.write(directory, "model.safetensors", SafetensorsWriter.file(header, data));
        try (MappedFile file = MappedFile.open(path)) {
            float[] value = new float[1];
            Objects.requireNonNull(SafetensorsFile.read(file).tensors().get("s"))
                    .readRows(0, 1, value, 0);
            assertThat(value).containsExactly(1.5f);
        }
    }

    @Test
    void typesThatAreKnownButNotRead() {
        String header = "{"
                + String.join(
                        ",",
                        entry("a", "F4", "[2]", 0, 1),
                        entry("b", "F6_E2M3", "[4]", 1, 4),
                        entry("c", "F6_E3M2", "[4]", 4, 7),
                        entry("d", "C64", "[1]", 7, 15),
                        entry("e", "F8_E8M0", "[1]", 15, 16),
                        entry("f", "F8_E4M3FNUZ", "[1]", 16, 17),
                        entry("g", "F8_E5M2FNUZ", "[1]", 17, 18))
                + "}";
        Path path = Hostile.write(directory, "model.safetensors", SafetensorsWriter.file(header, 18));
        try (MappedFile file = MappedFile.open(path)) {
            SafetensorsFile found = Hostile.read(() -> SafetensorsFile.read(file));
            assertThat(found.tensors()).containsOnlyKeys("e", "f", "g");
            assertThat(found.unreadable())
                    .containsExactly(
                            Map.entry("a", "F4"),
                            Map.entry("b", "F6_E2M3"),
                            Map.entry("c", "F6_E3M2"),
                            Map.entry("d", "C64"));
        }
    }

    @Test
    void tensorsComeInPlainStringOrder() {
        StringBuilder header = new StringBuilder("{");
        for (int layer : new int[] {2, 10, 0, 1}) {
            header.append(entry("layers." + layer, "U8", "[0]", 0, 0)).append(layer == 1 ? "}" : ",");
        }
        assertThat(read(header.toString(), 0).keySet())
                .containsExactly("layers.0", "layers.1", "layers.10", "layers.2");
    }

    // Size and time

    @Test
    void moreTensorsThanAnyModel() {
        StringBuilder header = new StringBuilder("{");
        for (int i = 0; i <= 200_000; i++) {
            header.append(i == 0 ? "" : ",")
                    .append("\"")
                    .append(i)
                    .append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
        }
        Path path = Hostile.write(
                directory,
                "model.safetensors",
                SafetensorsWriter.file(header.append("}").toString(), 0));
        try (MappedFile file = MappedFile.open(path)) {
            assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> SafetensorsFile.read(file)))
                    .isInstanceOf(InputException.class)
                    .hasMessage(path + ": header: declares more than 200000 tensors");
        }
    }

    @Test
    void fileThatShrinksWhileItIsRead() throws IOException {
        String header = "{" + entry("w", "F32", "[65536]", 0, 262_144) + "}";
        Path path = Hostile.write(directory, "model.safetensors", SafetensorsWriter.file(header, 262_144));
        try (MappedFile file = MappedFile.open(path)) {
            TensorSource tensor =
                    Objects.requireNonNull(SafetensorsFile.read(file).tensors().get("w"));
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                channel.truncate(4096);
            }
            Hostile.assertRefused(
                    path, "changed while it was being read", () -> tensor.readRows(0, 1, new float[65_536], 0));
        }
    }

    /** Whatever byte is wrong: a refusal, never anything else. */
    @Test
    void oneByteChangedAnywhere() {
        byte[] whole = SafetensorsWriter.file(GOOD, 8);
        Random random = new Random(42);
        for (int round = 0; round < 20 * whole.length; round++) {
            byte[] damaged = whole.clone();
            damaged[round % whole.length] ^= (byte) (1 + random.nextInt(255));
            Path path = Hostile.write(directory, "model.safetensors", damaged);
            try (MappedFile file = MappedFile.open(path)) {
                Throwable thrown = Hostile.bounded(() -> SafetensorsFile.read(file));
                if (thrown != null) {
                    assertThat(thrown).as("round %s", round).isInstanceOf(InputException.class);
                }
            }
        }
    }

    /** Nobody checks such a byte; it reads as true, as torch has it. */
    @Test
    void truthThatIsTwo() {
        byte[] header = ("{" + entry("w", "BOOL", "[3]", 0, 3) + "}").getBytes(StandardCharsets.UTF_8);
        Path path = Hostile.write(directory, "model.safetensors", SafetensorsWriter.file(header, new byte[] {0, 1, 2}));
        try (MappedFile file = MappedFile.open(path)) {
            float[] values = new float[3];
            java.util.Objects.requireNonNull(
                            SafetensorsFile.read(file).tensors().get("w"))
                    .readRows(0, 1, values, 0);
            assertThat(values).containsExactly(0, 1, 1);
        }
    }
}
