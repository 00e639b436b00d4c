package dev.quern.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every way a GGUF file can be wrong that we know of, and the one line that says so. */
class GgufHostileTest {
    /** @param message what follows "FILE: " */
    record Refused(String name, RawGguf file, String message) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static Refused refused(String name, RawGguf file, String message) {
        return new Refused(name, file, message);
    }

    private static RawGguf oneKey() {
        return RawGguf.header(0, 1);
    }

    private static RawGguf oneTensor() {
        return RawGguf.header(1, 0);
    }

    /** A file whose one tensor "t" is F32 with these dimensions, innermost first, and some data. */
    private static RawGguf shaped(long... dims) {
        return oneTensor().tensor("t", RawGguf.F32, 0, dims).pad(32).zeros(64);
    }

    private static RawGguf typed(int type) {
        return oneTensor().tensor("t", type, 0, 32).pad(32).zeros(256);
    }

    private static RawGguf alignment(int type) {
        return oneKey().key("general.alignment", type);
    }

    private static RawGguf twoTensors(long secondOffset) {
        return RawGguf.header(2, 0)
                .tensor("a", RawGguf.F32, 0, 8)
                .tensor("b", RawGguf.F32, secondOffset, 8)
                .pad(32)
                .zeros(128);
    }

    private static RawGguf tokens(int count) {
        RawGguf file = RawGguf.header(0, 2).array("tokenizer.ggml.tokens", RawGguf.STRING, count);
        for (int i = 0; i < count; i++) {
            file.string("t" + i);
        }
        return file;
    }

    static Stream<Refused> preamble() {
        return Stream.of(
                refused(
                        "G1 empty file",
                        new RawGguf(),
                        "header at byte 0: expected 4 bytes of a GGUF header, found 0 bytes before the end of the"
                                + " file"),
                refused(
                        "G2 short magic",
                        new RawGguf().ascii("GGU"),
                        "header at byte 0: expected 4 bytes of a GGUF header, found 3 bytes before the end of the"
                                + " file"),
                refused(
                        "G3 other magic",
                        new RawGguf().ascii("FUGG").u32(3),
                        "header at byte 0: expected the magic bytes GGUF, found \"FUGG\""),
                refused(
                        "G4 version 0",
                        RawGguf.header(0, 0, 0),
                        "header at byte 4: expected GGUF version 2 or 3, found 0"),
                refused(
                        "G5 version 1",
                        RawGguf.header(1, 0, 0),
                        "header at byte 4: expected GGUF version 2 or 3, found 1"),
                refused(
                        "G7 version 4",
                        RawGguf.header(4, 0, 0),
                        "header at byte 4: expected GGUF version 2 or 3, found 4"),
                refused(
                        "G7 version 2^32-1",
                        RawGguf.header(-1, 0, 0),
                        "header at byte 4: expected GGUF version 2 or 3, found 4294967295"),
                refused(
                        "G8 big-endian version 4",
                        new RawGguf().ascii("GGUF").u32(0x04000000).zeros(16),
                        "header at byte 4: expected GGUF version 2 or 3, found 4"),
                refused(
                        "G9 -1 tensors",
                        RawGguf.header(-1, 0),
                        "header at byte 8: expected a number of tensors up to 1000000, found 18446744073709551615"),
                refused(
                        "G10 -1 keys",
                        RawGguf.header(0, -1),
                        "header at byte 16: expected a number of keys up to 65536, found 18446744073709551615"),
                refused(
                        "G10 65,537 keys",
                        RawGguf.header(0, 65_537),
                        "header at byte 16: expected a number of keys up to 65536, found 65537"),
                refused(
                        "G10 more keys than bytes",
                        RawGguf.header(0, 60_000).zeros(100),
                        "header at byte 16: expected a number of keys that fits the 100 bytes left in the file, found"
                                + " 60000"),
                refused(
                        "G11 two thousand million tensors",
                        RawGguf.header(2_000_000_000, 0),
                        "header at byte 8: expected a number of tensors up to 1000000, found 2000000000"),
                refused(
                        "G11 more tensors than bytes",
                        RawGguf.header(900_000, 0),
                        "header at byte 8: expected a number of tensors that fits the 8 bytes left in the file, found"
                                + " 900000"),
                refused(
                        "G13 a zip file in front",
                        new RawGguf().ascii("PK\3\4").bytes(RawGguf.header(0, 0).toBytes()),
                        "header at byte 0: expected the magic bytes GGUF, found \"PK\\u{3}\\u{4}\""));
    }

    static Stream<Refused> keys() {
        return Stream.of(
                refused(
                        "G14 key length -1",
                        oneKey().u64(-1).zeros(20),
                        "key 0 at byte 24: expected a length of a key up to 65535, found 18446744073709551615"),
                refused(
                        "G15 key longer than the file",
                        oneKey().u64(100).zeros(20),
                        "key 0 at byte 24: expected a length of a key that fits the 20 bytes left in the file, found"
                                + " 100"),
                refused(
                        "G16 key of more than 1 GiB",
                        oneKey().u64((1L << 30) + 1).zeros(20),
                        "key 0 at byte 24: expected a length of a key up to 65535, found 1073741825"),
                refused(
                        "G17 empty key",
                        oneKey().key("", RawGguf.UINT32).u32(1).u32(1),
                        "key 0 at byte 24: expected a key, found the empty string"),
                refused(
                        "G18 duplicate key",
                        RawGguf.header(0, 2)
                                .key("a", RawGguf.UINT32)
                                .u32(1)
                                .key("a", RawGguf.STRING)
                                .string("x"),
                        "key \"a\" at byte 41: expected each key once, found this one again"),
                refused(
                        "G19 value type 13",
                        oneKey().key("a", 13).u32(1),
                        "key \"a\" at byte 33: expected a value type from 0 to 12, found 13"),
                refused(
                        "G19 value type -1",
                        oneKey().key("a", -1).u32(1),
                        "key \"a\" at byte 33: expected a value type from 0 to 12, found -1"),
                refused(
                        "G20 array of arrays",
                        oneKey().array("a", RawGguf.ARRAY, 1).u32(4).u64(0),
                        "key \"a\" at byte 37: expected an array of numbers, booleans or strings, found an array of"
                                + " arrays"),
                refused(
                        "G21 element type 13",
                        oneKey().array("a", 13, 1).u32(4),
                        "key \"a\" at byte 37: expected an element type from 0 to 12, found 13"),
                refused(
                        "G21 element type 255 of an empty array",
                        oneKey().array("a", 255, 0),
                        "key \"a\" at byte 37: expected an element type from 0 to 12, found 255"),
                refused(
                        "G22 2^64-1 elements",
                        oneKey().array("a", 0, -1),
                        "key \"a\" at byte 41: expected a number of elements up to 16777216, found"
                                + " 18446744073709551615"),
                refused(
                        "G23 more elements than bytes",
                        oneKey().array("a", 10, 3).u64(1).u64(2),
                        "key \"a\" at byte 41: expected a number of elements that fits the 16 bytes left in the file,"
                                + " found 3"),
                refused(
                        "G24 more strings than lengths fit",
                        oneKey().array("a", RawGguf.STRING, 1000).string("x"),
                        "key \"a\" at byte 41: expected a number of elements that fits the 9 bytes left in the file,"
                                + " found 1000"),
                refused(
                        "G25 string length -1",
                        oneKey().key("a", RawGguf.STRING).u64(-1),
                        "key \"a\" at byte 37: expected a length of a string up to 67108864, found"
                                + " 18446744073709551615"),
                refused(
                        "G25 string in an array longer than the file",
                        oneKey().array("a", RawGguf.STRING, 1).u64(5).ascii("four"),
                        "key \"a\" at byte 49: expected a length of a string that fits the 4 bytes left in the file,"
                                + " found 5"),
                refused(
                        "G26 key not UTF-8",
                        oneKey().u64(2).ascii("\u00ff\u00fe").u32(4).u32(1),
                        "key 0 at byte 24: expected a key in UTF-8, found other bytes"),
                refused(
                        "G27 zero byte in a key",
                        oneKey().key("a\0b", RawGguf.UINT32).u32(1),
                        "key 0 at byte 24: expected a key without a zero byte, found one"),
                refused(
                        "G28 bool 2",
                        oneKey().key("a", 7).u8(2),
                        "key \"a\" at byte 37: expected 0 or 1 for a boolean, found 2"),
                refused(
                        "G28 bool 2 in an array",
                        oneKey().array("a", 7, 2).u8(1).u8(2),
                        "key \"a\" at byte 50: expected 0 or 1 for a boolean, found 2"),
                refused(
                        "G29 key of 65,536 bytes",
                        oneKey().key("k".repeat(65_536), RawGguf.UINT32).u32(1),
                        "key 0 at byte 24: expected a length of a key up to 65535, found 65536"));
    }

    static Stream<Refused> alignments() {
        return Stream.of(
                refused(
                        "G30 alignment 0",
                        alignment(RawGguf.UINT32).u32(0),
                        "key \"general.alignment\" at byte 24: expected a power of two up to 1048576, found 0"),
                refused(
                        "G30 alignment 13",
                        alignment(RawGguf.UINT32).u32(13),
                        "key \"general.alignment\" at byte 24: expected a power of two up to 1048576, found 13"),
                refused(
                        "G30 alignment 2^31",
                        alignment(RawGguf.UINT32).u32(1L << 31),
                        "key \"general.alignment\" at byte 24: expected a power of two up to 1048576, found"
                                + " 2147483648"),
                refused(
                        "G30 alignment as INT32",
                        alignment(5).u32(32),
                        "key \"general.alignment\" at byte 24: expected a UINT32, found a value of type INT32"),
                refused(
                        "G30 alignment as UINT64",
                        alignment(10).u64(32),
                        "key \"general.alignment\" at byte 24: expected a UINT32, found a value of type UINT64"),
                refused(
                        "G30 alignment as a string",
                        alignment(RawGguf.STRING).string("32"),
                        "key \"general.alignment\" at byte 24: expected a UINT32, found a value of type STRING"),
                refused(
                        "G30 alignment as an array",
                        alignment(RawGguf.ARRAY).u32(4).u64(1).u32(32),
                        "key \"general.alignment\" at byte 24: expected a UINT32, found a value of type ARRAY"));
    }

    static Stream<Refused> names() {
        return Stream.of(
                refused(
                        "G32 name of 64 bytes",
                        oneTensor().tensor("n".repeat(64), RawGguf.F32, 0, 8),
                        "tensor 0 at byte 24: expected a length of a tensor name up to 63, found 64"),
                refused(
                        "G33 empty name",
                        oneTensor().tensor("", RawGguf.F32, 0, 8),
                        "tensor 0 at byte 24: expected a tensor name, found the empty string"),
                refused(
                        "G26 name not UTF-8",
                        oneTensor().u64(1).u8(0x80).u32(0).u32(0).u64(0),
                        "tensor 0 at byte 24: expected a tensor name in UTF-8, found other bytes"),
                refused(
                        "G48 duplicate name",
                        RawGguf.header(2, 0).tensor("a", RawGguf.F32, 0, 8).tensor("a", RawGguf.F32, 32, 8),
                        "tensor \"a\" at byte 57: expected each tensor once, found this one again"),
                refused(
                        "G48 duplicate name up to a zero byte",
                        RawGguf.header(2, 0).tensor("a", RawGguf.F32, 0, 8).tensor("a\0b", RawGguf.F32, 32, 8),
                        "tensor 1 at byte 57: expected a tensor name without a zero byte, found one"));
    }

    static Stream<Refused> shapes() {
        return Stream.of(
                refused(
                        "G34 5 dimensions",
                        shaped(1, 1, 1, 1, 1),
                        "tensor \"t\" at byte 33: expected at most 4 dimensions, found 5"),
                refused(
                        "G34 2^32-1 dimensions",
                        oneTensor().string("t").u32(-1).zeros(40),
                        "tensor \"t\" at byte 33: expected at most 4 dimensions, found 4294967295"),
                refused(
                        "G36 dimension -1",
                        shaped(8, -1),
                        "tensor \"t\" at byte 45: expected a dimension up to 2^63-1, found 18446744073709551615"),
                refused(
                        "G38 2^63-1 elements of 4 bytes",
                        shaped(Long.MAX_VALUE),
                        "tensor \"t\" at byte 24: expected a file of at most 2^63-1 bytes, found F32"
                                + " [9223372036854775807]"),
                refused(
                        "G39 2^32 x 2^32, which ggml takes for nothing",
                        shaped(1L << 32, 1L << 32),
                        "tensor \"t\" at byte 33: expected at most 2^63-1 elements, found dimensions [4294967296,"
                                + " 4294967296]"),
                refused(
                        "G40 2^33 x 2^33, which ggml takes for nothing",
                        shaped(1L << 33, 1L << 33),
                        "tensor \"t\" at byte 33: expected at most 2^63-1 elements, found dimensions [8589934592,"
                                + " 8589934592]"),
                refused(
                        "G40 overflow beside a zero",
                        shaped(1L << 33, 1L << 33, 0),
                        "tensor \"t\" at byte 33: expected at most 2^63-1 elements, found dimensions [0, 8589934592,"
                                + " 8589934592]"),
                refused(
                        "G41 a product that wraps to 4",
                        shaped(4194305, 4194305, 211106198978564L),
                        "tensor \"t\" at byte 33: expected at most 2^63-1 elements, found dimensions [211106198978564,"
                                + " 4194305, 4194305]"),
                refused(
                        "G42 2^62 floats",
                        shaped(1L << 62),
                        "tensor \"t\" at byte 24: expected a file of at most 2^63-1 bytes, found F32"
                                + " [4611686018427387904]"),
                refused(
                        "G43 2^62-1 floats, whose padded size ggml takes for 0",
                        shaped((1L << 62) - 1),
                        "tensor \"t\" at byte 24: expected a file of at most 2^63-1 bytes, found F32"
                                + " [4611686018427387903]"),
                refused(
                        "G44 sizes whose sum overflows",
                        RawGguf.header(2, 0)
                                .tensor("a", 24, 0, 0x7fff_ffff_ffff_ffc0L)
                                .tensor("b", 24, 0x7fff_ffff_ffff_ffc0L, 0x7fff_ffff_ffff_ffc0L),
                        "tensor \"b\" at byte 57: expected a file of at most 2^63-1 bytes, found I8"
                                + " [9223372036854775744]"),
                refused(
                        "G44 a padded size that overflows",
                        oneTensor().tensor("t", 24, 0, Long.MAX_VALUE),
                        "tensor \"t\" at byte 24: expected a file of at most 2^63-1 bytes, found I8"
                                + " [9223372036854775807]"),
                refused(
                        "G46 rows of no whole blocks",
                        oneTensor().tensor("t", 8, 0, 33, 2),
                        "tensor \"t\" at byte 24: expected rows of whole Q8_0 blocks of 32, found rows of 33"),
                refused(
                        "G46 a scalar of blocks",
                        oneTensor().tensor("t", 8, 0),
                        "tensor \"t\" at byte 24: expected rows of whole Q8_0 blocks of 32, found rows of 1"));
    }

    static Stream<Refused> types() {
        String removed = "tensor \"t\" at byte 45: expected a tensor type known to llama.cpp v0.5.0, found ";
        return Stream.of(
                refused("G45 type 1000", typed(1000), removed + "1000"),
                refused("G45 type 43", typed(43), removed + "43"),
                refused("G45 type -1", typed(-1), removed + "-1"),
                refused("G45 type 4", typed(4), removed + "4 (Q4_2, removed in 2023)"),
                refused("G45 type 5", typed(5), removed + "5 (Q4_3, removed in 2023)"),
                refused("G45 type 31", typed(31), removed + "31 (Q4_0 interleaved for ARM, removed in 2024)"),
                refused("G45 type 32", typed(32), removed + "32 (Q4_0 interleaved for ARM, removed in 2024)"),
                refused("G45 type 33", typed(33), removed + "33 (Q4_0 interleaved for ARM, removed in 2024)"),
                refused("G45 type 36", typed(36), removed + "36 (IQ4_NL interleaved for ARM, removed in 2024)"),
                refused("G45 type 37", typed(37), removed + "37 (IQ4_NL interleaved for ARM, removed in 2024)"),
                refused("G45 type 38", typed(38), removed + "38 (IQ4_NL interleaved for ARM, removed in 2024)"));
    }

    static Stream<Refused> offsets() {
        return Stream.of(
                refused(
                        "G47 unaligned",
                        twoTensors(33),
                        "tensor \"b\" at byte 82: expected offset 32, the end of the tensor before, found 33"),
                refused(
                        "G47 -1",
                        twoTensors(-1),
                        "tensor \"b\" at byte 82: expected offset 32, the end of the tensor before, found"
                                + " 18446744073709551615"),
                refused(
                        "G47 hole",
                        twoTensors(64),
                        "tensor \"b\" at byte 82: expected offset 32, the end of the tensor before, found 64"),
                refused(
                        "G47 overlap",
                        twoTensors(0),
                        "tensor \"b\" at byte 82: expected offset 32, the end of the tensor before, found 0"),
                refused(
                        "G47 out of order",
                        RawGguf.header(2, 0)
                                .tensor("a", RawGguf.F32, 32, 8)
                                .tensor("b", RawGguf.F32, 0, 8)
                                .pad(32)
                                .zeros(64),
                        "tensor \"a\" at byte 49: expected offset 0, the end of the tensor before, found 32"),
                refused(
                        "G49 one byte of data missing",
                        oneTensor().tensor("t", RawGguf.F32, 0, 8).pad(32).zeros(31),
                        "tensor \"t\": expected bytes 64 to 96, found the end of the file at byte 95"),
                refused(
                        "G49 no data at all",
                        oneTensor().tensor("t", RawGguf.F32, 0, 8),
                        "tensor \"t\": expected bytes 64 to 96, found the end of the file at byte 57"));
    }

    static Stream<Refused> tokenizerArrays() {
        return Stream.of(
                refused(
                        "G54 tokens as a string",
                        oneKey().key("tokenizer.ggml.tokens", RawGguf.STRING).string("a"),
                        "key \"tokenizer.ggml.tokens\" at byte 24: expected an array of STRING, found a STRING"),
                refused(
                        "G54 tokens as numbers",
                        oneKey().array("tokenizer.ggml.tokens", RawGguf.UINT32, 1)
                                .u32(7),
                        "key \"tokenizer.ggml.tokens\" at byte 24: expected an array of STRING, found one of UINT32"),
                refused(
                        "G54 scores as INT8",
                        tokens(2).array("tokenizer.ggml.scores", 1, 2).u8(0).u8(0),
                        "key \"tokenizer.ggml.scores\" at byte 89: expected an array of FLOAT32, found one of INT8"),
                refused(
                        "G54 scores too few",
                        tokens(2)
                                .array("tokenizer.ggml.scores", RawGguf.FLOAT32, 1)
                                .u32(0),
                        "key \"tokenizer.ggml.scores\" at byte 89: expected 2 elements, one for each token, found 1"
                                + " elements"),
                refused(
                        "G54 scores without tokens",
                        oneKey().array("tokenizer.ggml.scores", RawGguf.FLOAT32, 1)
                                .u32(0),
                        "key \"tokenizer.ggml.scores\" at byte 24: expected none without tokenizer.ggml.tokens, found"
                                + " 1 elements"),
                refused(
                        "G54 token types as INT8",
                        tokens(1).array("tokenizer.ggml.token_type", 1, 1).u8(1),
                        "key \"tokenizer.ggml.token_type\" at byte 79: expected an array of INT32 or UINT32, found one"
                                + " of INT8"),
                refused(
                        "G54 token types too many",
                        tokens(1)
                                .array("tokenizer.ggml.token_type", 5, 2)
                                .u32(1)
                                .u32(1),
                        "key \"tokenizer.ggml.token_type\" at byte 79: expected 1 elements, one for each token, found"
                                + " 2 elements"),
                refused(
                        "G54 merges as numbers",
                        oneKey().array("tokenizer.ggml.merges", RawGguf.UINT32, 0),
                        "key \"tokenizer.ggml.merges\" at byte 24: expected an array of STRING, found one of UINT32"),
                refused(
                        "G54 character map as floats",
                        oneKey().array("tokenizer.ggml.precompiled_charsmap", RawGguf.FLOAT32, 1)
                                .u32(0),
                        "key \"tokenizer.ggml.precompiled_charsmap\" at byte 24: expected an array of INT8 or UINT8,"
                                + " found one of FLOAT32"));
    }

    static Stream<Refused> splits() {
        return Stream.of(refused(
                "G57 part of a split model",
                RawGguf.header(0, 2)
                        .key("split.no", 2)
                        .u8(1)
                        .u8(0)
                        .key("split.count", 2)
                        .u8(3)
                        .u8(0),
                "expected a whole model, found part 2 of 3"));
    }

    @ParameterizedTest
    @MethodSource({"preamble", "keys", "alignments", "names", "shapes", "types", "offsets", "tokenizerArrays", "splits"
    })
    void isRefusedInOneLine(Refused refused, @TempDir Path directory) throws IOException {
        Path path = Files.write(directory.resolve("bad.gguf"), refused.file().toBytes());
        Hostile.thrownBy(() -> GgufFile.open(path))
                .isInstanceOf(InputException.class)
                .hasMessage(path + ": " + refused.message());
    }

    /** G12: wherever the file is cut, the answer is a refusal that names the file, never another exception. */
    @Test
    void everyTruncationIsRefused() {
        long dataEnd = GgufFixtureTest.endOfLastTensor(Fixtures.EVERY_TYPE);
        try (MappedFile file = MappedFile.open(Fixtures.EVERY_TYPE)) {
            for (long length = 0; length < dataEnd; length++) {
                assertThat(isRefused(new Region(file, 0, length)))
                        .as("the first %d bytes", length)
                        .isTrue();
            }
        }
    }

    /** Every flipped bit of a header is refused in words or gives a file whose tensors can be read. */
    @Test
    void everyFlippedHeaderBitIsRefusedOrHarmless(@TempDir Path directory) throws IOException {
        byte[] whole = Files.readAllBytes(Fixtures.EVERY_TYPE);
        int bits = 8 * headerBytes(Fixtures.EVERY_TYPE);
        Path path = directory.resolve("flipped.bin");
        // One file that holds every variant: mapping each alone takes a hundred times as long.
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(path))) {
            for (int bit = 0; bit < bits; bit++) {
                whole[bit / 8] ^= (byte) (1 << bit % 8);
                out.write(whole);
                whole[bit / 8] ^= (byte) (1 << bit % 8);
            }
        }
        int refused = 0;
        try (MappedFile file = MappedFile.open(path)) {
            for (int bit = 0; bit < bits; bit++) {
                refused += isRefused(new Region(file, (long) bit * whole.length, whole.length)) ? 1 : 0;
            }
        }
        assertThat(refused).isBetween(bits / 4, bits - 1);
    }

    private static int headerBytes(Path path) {
        try (GgufFile file = GgufFile.open(path)) {
            return (int) file.dataStart();
        }
    }

    private static boolean isRefused(Region variant) {
        try {
            GgufFile file = GgufFile.read(variant);
            file.tensors().keySet().forEach(name -> readToTheEnd(file.region(name)));
            return false;
        } catch (InputException e) {
            if (!String.valueOf(e.getMessage()).startsWith(variant.file().path() + ": ")) {
                throw new AssertionError("the message does not name the file", e);
            }
            return true;
        }
    }

    private static void readToTheEnd(Region tensor) {
        for (long i = 0; i < tensor.length(); i++) {
            tensor.u8(i);
        }
    }

    /** G60: the file loses its end between the check and the reading. */
    @Test
    void aFileThatShrinksWhileItIsReadIsRefused(@TempDir Path directory) throws IOException {
        Path path = directory.resolve("shrinks.gguf");
        int floats = 1 << 16;
        Files.write(
                path,
                oneTensor()
                        .tensor("t", RawGguf.F32, 0, floats)
                        .pad(32)
                        .zeros(4 * floats)
                        .toBytes());
        try (GgufFile file = GgufFile.open(path)) {
            Files.write(path, new byte[0]);
            Hostile.thrownBy(() -> file.graph().sources().iterator().next().readRows(0, 1, new float[floats], 0))
                    .isInstanceOf(InputException.class)
                    .hasMessage(path + ": changed while it was being read");
        }
    }

    @Test
    void whatIsNoFileIsRefused(@TempDir Path directory) {
        Hostile.thrownBy(() -> GgufFile.open(directory))
                .isInstanceOf(InputException.class)
                .hasMessage(directory + ": expected a file, found a directory");
        Path missing = directory.resolve("missing.gguf");
        Hostile.thrownBy(() -> GgufFile.open(missing))
                .isInstanceOf(InputException.class)
                .hasMessage(missing + ": no such file");
    }
}
