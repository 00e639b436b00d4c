package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufFile;
import dev.quern.io.Region;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What {@code quern verify} finds, and what it does not complain about. */
class VerifyTest {
    private static final List<String> TYPES = List.of("F16", "Q8_0", "Q4_0", "Q4_K_M");
    private static final Path IMPORTANCE = Path.of("test-data/golden/imatrix.gguf");

    @TempDir
    private static Path made;

    @TempDir
    private Path folder;

    @BeforeAll
    static void convert() {
        assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "-o", made, "-t", String.join(",", TYPES))
                        .code())
                .isZero();
    }

    private static Path original(String type) {
        return made.resolve("tolstoy-4M-" + type + ".gguf");
    }

    private Path copy(String type) throws IOException {
        return Files.copy(original(type), folder.resolve(type + ".gguf"));
    }

    private static Cli.Run against(Path file, Path source, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("verify", file, "--against", source));
        arguments.addAll(List.of(more));
        return Cli.run(arguments.toArray());
    }

    @ParameterizedTest
    @ValueSource(strings = {"F16", "Q8_0", "Q4_0", "Q4_K_M"})
    void whatWasConvertedIsByteForByteWhatTheSourceGives(String type) {
        for (Path source : List.of(Tampered.HUGGING_FACE, original("F16"))) {
            Cli.Run run = against(original(type), source);
            assertThat(run.out()).isEmpty();
            assertThat(run.code()).isZero();
            assertThat(run.err()).contains("39 tensors, 39 byte for byte what the source gives");
        }
    }

    /** Meta's params.json says less than config.json does; the weights are the same. */
    @Test
    void metasLayoutOfTheSameModelHasTheSameTensorsAndOtherKeys() {
        Cli.Run run = against(original("Q4_K_M"), Tampered.META);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out().lines()).isNotEmpty().allMatch(line -> line.startsWith("key \""));
        Path file = folder.resolve("meta.gguf");
        assertThat(Cli.run("convert", Tampered.META, "-o", file, "-t", "Q4_K_M").code())
                .isZero();
        Cli.Run same = against(file, Tampered.META);
        assertThat(same.out()).isEmpty();
        assertThat(same.code()).isZero();
    }

    @Test
    void aFileMadeWithImportanceIsWithinItsTypesAndIdenticalOnceTheMatrixIsGiven() {
        Path file = folder.resolve("weighted.gguf");
        assertThat(Cli.run("quantize", "--imatrix", IMPORTANCE, original("F16"), file, "Q4_K_M")
                        .code())
                .isZero();
        Cli.Run without = against(file, Tampered.HUGGING_FACE);
        assertThat(without.code()).isZero();
        assertThat(without.err())
                .contains("11 byte for byte what the source gives, 28 within")
                .contains("--imatrix");
        Cli.Run with = against(file, Tampered.HUGGING_FACE, "--imatrix", IMPORTANCE);
        assertThat(with.code()).isZero();
        assertThat(with.err()).contains("39 byte for byte");
    }

    /** One bit in each of the 39 tensors; each has to be found by itself. */
    @ParameterizedTest
    @ValueSource(strings = {"F16", "Q8_0", "Q4_0", "Q4_K_M"})
    void oneFlippedBitInAnyTensorIsFoundAndNamed(String type) throws Exception {
        Path file = copy(type);
        Random random = new Random(7);
        List<String> names;
        byte[] bytes = Files.readAllBytes(file);
        try (GgufFile gguf = GgufFile.open(file)) {
            names = List.copyOf(gguf.tensors().keySet());
            for (String name : names) {
                Region region = gguf.region(name);
                bytes[Math.toIntExact(region.offset() + random.nextLong(region.length()))] ^=
                        (byte) (1 << random.nextInt(8));
            }
        }
        Files.write(file, bytes);
        Cli.Run run = against(file, Tampered.HUGGING_FACE);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out().lines()).hasSize(39);
        for (String name : names) {
            assertThat(run.out()).contains("tensor \"" + name + "\": ");
        }
        if (!type.equals("F16")) {
            assertThat(run.out())
                    .contains("tensor \"blk.1.ffn_up.weight\": 1 of ")
                    .contains(" blocks differ from what the source gives, the first at block [");
        }
    }

    @Test
    void twoTensorsInEachOthersPlacesAreFound() throws Exception {
        Path file = copy("Q4_0");
        byte[] bytes = Files.readAllBytes(file);
        try (GgufFile gguf = GgufFile.open(file)) {
            Region gate = gguf.region("blk.0.ffn_gate.weight");
            Region up = gguf.region("blk.0.ffn_up.weight");
            byte[] kept = gate.bytes(0, (int) gate.length());
            System.arraycopy(bytes, (int) up.offset(), bytes, (int) gate.offset(), kept.length);
            System.arraycopy(kept, 0, bytes, (int) up.offset(), kept.length);
        }
        Files.write(file, bytes);
        Cli.Run run = against(file, Tampered.HUGGING_FACE);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out().lines()).hasSize(2).allMatch(line -> line.contains("other weights, another order"));
        assertThat(run.out()).contains("\"blk.0.ffn_gate.weight\"").contains("\"blk.0.ffn_up.weight\"");
    }

    @Test
    void queriesThatWereNotPermutedAreFound() throws Exception {
        Path file = copy("F16");
        byte[] checkpoint = Files.readAllBytes(Tampered.HUGGING_FACE.resolve("model.safetensors"));
        int header =
                (int) ByteBuffer.wrap(checkpoint).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        JsonNode offsets = JsonMapper.shared()
                .readTree(new String(checkpoint, 8, header, StandardCharsets.UTF_8))
                .get("model.layers.3.self_attn.q_proj.weight")
                .get("data_offsets");
        byte[] bytes = Files.readAllBytes(file);
        try (GgufFile gguf = GgufFile.open(file)) {
            Region region = gguf.region("blk.3.attn_q.weight");
            System.arraycopy(checkpoint, 8 + header + offsets.get(0).asInt(), bytes, (int) region.offset(), (int)
                    region.length());
        }
        Files.write(file, bytes);
        Cli.Run run = against(file, Tampered.HUGGING_FACE);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out().lines()).hasSize(1);
        assertThat(run.out()).startsWith("tensor \"blk.3.attn_q.weight\": ");
    }

    @Test
    void swappedShardsAreFound() throws Exception {
        Path model = Tampered.copy(Tampered.META, folder);
        Path first = model.resolve("consolidated.00.pth");
        Path second = model.resolve("consolidated.01.pth");
        Files.move(first, model.resolve("moved"));
        Files.move(second, first);
        Files.move(model.resolve("moved"), second);
        Cli.Run run = against(original("Q4_K_M"), model);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out()).contains("tensor \"blk.0.ffn_down.weight\": ").contains("tensor \"output.weight\": ");
    }

    @Test
    void aTokenizerOfAnotherModelIsFoundAndTheFirstTokenNamed() throws Exception {
        Path file = copy("Q8_0");
        byte[] bytes = Files.readAllBytes(file);
        byte[] token = "▁and".getBytes(StandardCharsets.UTF_8);
        bytes[indexOf(bytes, token) + token.length - 1] = 'y';
        Files.write(file, bytes);
        Cli.Run run = against(file, Tampered.HUGGING_FACE);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out())
                .matches("key \"tokenizer\\.ggml\\.tokens\": element \\d+: expected \"▁and\", found \"▁any\"\\R");
    }

    @Test
    void editedMetadataIsFoundAndATitleIsOnlyNoted() throws Exception {
        Path file = copy("Q8_0");
        byte[] bytes = Files.readAllBytes(file);
        byte[] key = "llama.rope.freq_base".getBytes(StandardCharsets.US_ASCII);
        int value = indexOf(bytes, key) + key.length + Integer.BYTES;
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(value, 500_000f);
        byte[] title = "Tolstoy 4m".getBytes(StandardCharsets.US_ASCII);
        bytes[indexOf(bytes, title)] = 'B';
        Files.write(file, bytes);
        Cli.Run run = against(file, Tampered.HUGGING_FACE);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out())
                .isEqualToIgnoringNewLines(
                        "key \"llama.rope.freq_base\": expected 10000.0 (FLOAT32), found 500000.0 (FLOAT32)");
        assertThat(run.err()).contains("note: key \"general.name\": expected \"Tolstoy 4m\", found \"Bolstoy 4m\"");
    }

    @Test
    void aTruncatedFileIsRefused() throws Exception {
        Path file = copy("Q4_0");
        Tampered.truncate(file, 100);
        Cli.Run run = against(file, Tampered.HUGGING_FACE);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + file + ": tensor ");
    }

    @Test
    void withoutASourceEveryValueHasToBeANumber() throws Exception {
        Path file = copy("Q4_0");
        assertThat(Cli.run("verify", file).code()).isZero();
        byte[] bytes = Files.readAllBytes(file);
        try (GgufFile gguf = GgufFile.open(file)) {
            // The scale of block 3 of row 2 (8 blocks of 18 bytes in a row of 256) becomes NaN.
            int at = (int) gguf.region("blk.2.ffn_up.weight").offset() + (2 * 8 + 3) * 18;
            bytes[at + 1] = 0x7e;
        }
        Files.write(file, bytes);
        Cli.Run run = Cli.run("verify", file);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out())
                .isEqualToIgnoringNewLines("tensor \"blk.2.ffn_up.weight\": element [2, 96] is NaN or infinite");
    }

    @Test
    void hashesAreThoseOfLlamaCppsTensorsAndAManifestIsCheckedInBothForms() throws Exception {
        JsonNode recorded = JsonMapper.shared()
                .readTree(Path.of("test-data/golden/quantize.json"))
                .get("types")
                .get("Q4_0");
        Path file = copy("Q4_0");
        Cli.Run hashes = Cli.run("hash", file);
        assertThat(hashes.code()).isZero();
        for (Map.Entry<String, JsonNode> tensor : recorded.get("tensors").properties()) {
            assertThat(hashes.out())
                    .contains("sha256    " + tensor.getValue().get(1).asString() + "  Q4_0.gguf:" + tensor.getKey());
        }
        Path manifest = Files.writeString(
                folder.resolve("manifest"),
                hashes.out() + recorded.get("file_sha256").asString() + "  Q4_0.gguf\n");
        // The recorded file was made from an F16 file and has its name in no place: the whole is the same too.
        assertThat(Cli.run("verify", file, "--manifest", manifest).code()).isZero();

        byte[] bytes = Files.readAllBytes(file);
        try (GgufFile gguf = GgufFile.open(file)) {
            bytes[(int) gguf.region("blk.0.attn_v.weight").offset() + 5] ^= 1;
        }
        Files.write(file, bytes);
        Cli.Run run = Cli.run("verify", file, "--manifest", manifest);
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out().lines().map(line -> line.substring(0, line.indexOf(':'))))
                .containsExactlyInAnyOrder("the file", "all tensors together", "tensor \"blk.0.attn_v.weight\"");
    }

    @Test
    void manifestsThatSayNothingAreRefused() throws Exception {
        Path manifest = Files.writeString(folder.resolve("manifest"), "sha256  abc  Q4_0.gguf\n");
        Cli.Run wrong = Cli.run("verify", original("Q4_0"), "--manifest", manifest);
        assertThat(wrong.code()).isEqualTo(3);
        assertThat(wrong.firstError())
                .isEqualTo("error: " + manifest + ": line 1: expected \"HASH-NAME HASH FILE[:TENSOR]\" or"
                        + " \"SHA256  FILE\", found \"sha256  abc  Q4_0.gguf\"");
        Files.writeString(manifest, "xxh64  0123456789abcdef  other.gguf:token_embd.weight\n");
        Cli.Run other = Cli.run("verify", original("Q4_0"), "--manifest", manifest);
        assertThat(other.code()).isEqualTo(3);
        assertThat(other.firstError()).isEqualTo("error: " + manifest + ": has no line about \"tolstoy-4M-Q4_0.gguf\"");
        Files.write(manifest, new byte[] {(byte) 0xff, 0});
        assertThat(Cli.run("verify", original("Q4_0"), "--manifest", manifest).firstError())
                .isEqualTo("error: " + manifest + ": expected a manifest, found bytes that are no UTF-8 text");
        Path absent = folder.resolve("absent");
        assertThat(Cli.run("verify", original("Q4_0"), "--manifest", absent).code())
                .isEqualTo(3);
        Files.writeString(manifest, "sha256  " + "0".repeat(64) + "  tolstoy-4M-Q4_0.gguf:blk.9.none\n");
        Cli.Run missing = Cli.run("verify", original("Q4_0"), "--manifest", manifest);
        assertThat(missing.code()).isEqualTo(4);
        assertThat(missing.out())
                .isEqualToIgnoringNewLines(
                        "\"tolstoy-4M-Q4_0.gguf:blk.9.none\" is in the manifest and not in the file");
    }

    private static int indexOf(byte[] bytes, byte[] part) {
        for (int at = 0; at <= bytes.length - part.length; at++) {
            if (java.util.Arrays.equals(bytes, at, at + part.length, part, 0, part.length)) {
                return at;
            }
        }
        throw new IllegalStateException("not there");
    }
}
