package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.oracle.GgufContents;
import dev.quern.oracle.LlamaCpp;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A real model in every file type: the file that llama_model_quantize of the pinned libraries writes, byte for byte.
 * And the three ways in which Quern's files are not the peer's, because the peer's are broken.
 */
class IdentityTest {
    private static final Path GOLDEN = Path.of("test-data/golden");

    @TempDir
    static Path shared;

    @TempDir
    Path folder;

    private static Path f16() {
        return shared.resolve("f16.gguf");
    }

    @BeforeAll
    static void convert() {
        try (Source source = Source.open(Path.of("test-data/models/tolstoy-4m"))) {
            Conversion.run(
                    List.of(new Conversion.Output(CheckpointTypes.plan(source, FileType.F16), f16())),
                    List.of(),
                    new Conversion.Options(2, Kernel.SIMD, false, false, Progress.SILENT));
        }
    }

    private static ImportanceMatrix importance() {
        return ImportanceReader.read(GOLDEN.resolve("imatrix.gguf"));
    }

    /** The names and numbers of llama-quantize's usage text, as of v0.5.0; COPY is no file type. */
    @Test
    void namesAndNumbersAreThePeers() {
        Map<String, Integer> expected = new TreeMap<>();
        for (String line : """
            Q1_0 40, Q2_0 41, Q4_0 2, Q4_1 3, MXFP4_MOE 38, Q5_0 8, Q5_1 9, IQ2_XXS 19, IQ2_XS 20, IQ2_S 28, IQ2_M 29,
            IQ1_S 24, IQ1_M 31, TQ1_0 36, TQ2_0 37, Q2_K 10, Q2_K_S 21, IQ3_XXS 23, IQ3_S 26, IQ3_M 27, Q3_K 12,
            IQ3_XS 22, Q3_K_S 11, Q3_K_M 12, Q3_K_L 13, IQ4_NL 25, IQ4_XS 30, Q4_K 15, Q4_K_S 14, Q4_K_M 15, Q5_K 17,
            Q5_K_S 16, Q5_K_M 17, Q6_K 18, Q8_0 7, F16 1, BF16 32, F32 0\
            """.split(",")) {
            String[] words = line.strip().split(" ");
            expected.put(words[0], Integer.parseInt(words[1]));
        }
        Map<String, Integer> ours = new TreeMap<>();
        for (FileType type : FileType.values()) {
            ours.put(type.name(), type.id());
            type.aliases().forEach(alias -> ours.put(alias, type.id()));
        }
        assertThat(ours).containsExactlyInAnyOrderEntriesOf(expected);
        ours.keySet()
                .forEach(name -> assertThat(FileType.fromName(name.toLowerCase(java.util.Locale.ROOT)))
                        .isPresent());
    }

    @ParameterizedTest
    @EnumSource
    void withoutImportance(FileType type) throws IOException {
        if (MixIdentityTest.needsImportance(type)) {
            Identity.refused(
                    copyOfF16(),
                    type,
                    new Request(),
                    "this quantization requires an imatrix",
                    "needs an importance matrix");
        } else {
            Identity.same(copyOfF16(), type, new Request());
        }
    }

    @ParameterizedTest
    @EnumSource
    void withImportance(FileType type) throws IOException {
        Identity.same(copyOfF16(), type, new Request().importance(importance()));
    }

    /** A link in the test's own folder: the two outputs are written beside the input. */
    private Path copyOfF16() throws IOException {
        return Files.createSymbolicLink(folder.resolve("f16.gguf"), f16());
    }

    /** llama.cpp writes data as if it were aligned to 32 under a header that says 64; Quern obeys the header. */
    @Test
    void anotherAlignmentStaysReadable() throws IOException {
        // 2 x 34 bytes of Q8_0 are a multiple of neither.
        Fabricated model = new Fabricated("llama", 1, 4, 4)
                .set("general.alignment", GgufValue.u32(64))
                .matrix("blk.0.attn_k.weight", 32)
                .matrix("blk.0.attn_q.weight", 32)
                .matrix("blk.0.attn_v.weight", 32);
        Path in = model.write(folder.resolve("in.gguf"));
        Path aligned = folder.resolve("64.gguf");
        new Request().ours(in, FileType.Q8_0, aligned);
        GgufContents seen = LlamaCpp.require().readGguf(aligned);
        assertThat(seen.alignment()).isEqualTo(64);

        // The same tensors, with the usual alignment, where the peer is right.
        Path plain = new Fabricated("llama", 1, 4, 4)
                .matrix("blk.0.attn_k.weight", 32)
                .matrix("blk.0.attn_q.weight", 32)
                .matrix("blk.0.attn_v.weight", 32)
                .write(folder.resolve("plain.gguf"));
        Path theirs = folder.resolve("theirs.gguf");
        new Request().theirs(plain, FileType.Q8_0, theirs);
        try (GgufFile ours = GgufFile.open(aligned);
                GgufFile peers = GgufFile.open(theirs)) {
            for (String name : peers.tensors().keySet()) {
                int bytes = (int) peers.region(name).length();
                assertThat(ours.region(name).bytes(0, bytes))
                        .isEqualTo(peers.region(name).bytes(0, bytes));
            }
        }
    }

    /** llama.cpp copies strings as C strings, which end at the first zero byte. */
    @Test
    void textWithZeroBytesSurvives() throws IOException {
        String text = "before\0after";
        Fabricated model = Fabricated.llama(1, 4, 4)
                .set("general.note", GgufValue.text(text))
                .set("general.notes", GgufValue.texts(List.of("x", text, "")));
        Path in = model.write(folder.resolve("in.gguf"));
        Path out = folder.resolve("out.gguf");
        new Request().ours(in, FileType.Q4_0, out);
        try (GgufFile file = GgufFile.open(out)) {
            GgufMetadata metadata = file.metadata();
            assertThat(metadata.text("general.note")).contains(text);
            assertThat(((GgufValue.Texts) metadata.get("general.notes").orElseThrow()).text(1))
                    .isEqualTo(text);
        }
        Path theirs = folder.resolve("theirs.gguf");
        new Request().theirs(in, FileType.Q4_0, theirs);
        try (GgufFile file = GgufFile.open(theirs)) {
            assertThat(file.metadata().text("general.note")).contains("before");
        }
    }

    /** llama.cpp leaves a file with a header of zeros when it fails half-way; Quern leaves what was there. */
    @Test
    void aFailedRunLeavesNothing() throws IOException {
        Fabricated model = new Fabricated("llama", 2, 4, 4)
                .matrix("blk.0.attn_k.weight", 256)
                .as(QuantType.F32)
                .matrix("blk.1.attn_k.weight", 256);
        Path in = model.write(folder.resolve("in.gguf"));
        byte[] bytes = Files.readAllBytes(in);
        // The last value of the last tensor is no number.
        java.nio.ByteBuffer.wrap(bytes).order(java.nio.ByteOrder.LITTLE_ENDIAN).putFloat(bytes.length - 4, Float.NaN);
        Files.write(in, bytes);
        Path ours = folder.resolve("ours.gguf");
        Assertions.assertThatThrownBy(() -> new Request().ours(in, FileType.Q4_0, ours))
                .hasMessage(in + ": tensor \"blk.1.attn_k.weight\", element [1, 255]: value is NaN");
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).containsExactly(in);
        }
        Path theirs = folder.resolve("theirs.gguf");
        Assertions.assertThatThrownBy(() -> new Request().theirs(in, FileType.Q4_0, theirs))
                .isInstanceOf(AssertionError.class);
        assertThat(new String(Files.readAllBytes(theirs), 0, 4, StandardCharsets.ISO_8859_1))
                .isEqualTo("\0\0\0\0");
    }
}
