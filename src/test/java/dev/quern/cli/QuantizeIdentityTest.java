package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.QuantizeOptions;
import dev.quern.quantization.FileType;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command itself: what llama-quantize tells the library besides, the keys about the importance matrix above all. */
class QuantizeIdentityTest {
    private static final Path IMPORTANCE = Path.of("test-data/golden/imatrix.gguf");

    @TempDir
    Path folder;

    private void same(List<Object> arguments, FileType type, QuantizeOptions theirs) {
        Path f16 = folder.resolve("f16.gguf");
        if (!f16.toFile().exists()) {
            assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "-o", f16, "--quiet")
                            .code())
                    .isZero();
        }
        Path ours = folder.resolve("ours.gguf");
        Path peers = folder.resolve("theirs.gguf");
        LlamaCpp.require().quantizeModel(f16, peers, type.id(), 2, theirs);
        List<Object> line = new java.util.ArrayList<>(List.of("quantize", "--quiet", "--force"));
        line.addAll(arguments);
        line.addAll(List.of(f16, ours, type));
        assertThat(Cli.run(line.toArray()).err()).isEmpty();
        assertThat(ours).hasSameBinaryContentAs(peers);
    }

    private static QuantizeOptions with(ImportanceMatrix matrix) {
        QuantizeOptions options = new QuantizeOptions();
        matrix.entries().forEach((name, entry) -> options.importance(name, entry.values()[0]));
        return options;
    }

    private static QuantizeOptions provenance(QuantizeOptions options, ImportanceMatrix matrix) {
        return options.metadata("quantize.imatrix.file", IMPORTANCE.toString())
                .metadata("quantize.imatrix.dataset", matrix.datasets().getFirst())
                .metadata("quantize.imatrix.entries_count", (long)
                        matrix.entries().size())
                .metadata("quantize.imatrix.chunks_count", matrix.chunks());
    }

    @Test
    void recordsWhereTheImportanceCameFrom() {
        ImportanceMatrix matrix = ImportanceReader.read(IMPORTANCE);
        same(List.of("--imatrix", IMPORTANCE), FileType.IQ2_XS, provenance(with(matrix), matrix));
    }

    /** The number of entries is that of those used; where none is, there is no importance at all. */
    @Test
    void filteredImportance() {
        ImportanceMatrix matrix = ImportanceReader.read(IMPORTANCE).filtered(List.of(), List.of("attn_v", "blk.2"));
        same(
                List.of("--imatrix", IMPORTANCE, "--exclude-weights", "attn_v", "--exclude-weights", "blk.2"),
                FileType.Q4_0,
                provenance(with(matrix), matrix));
        same(List.of("--imatrix", IMPORTANCE, "--include-weights", "nothing"), FileType.Q4_0, new QuantizeOptions());
    }

    @Test
    void optionsByTheirNames() {
        same(
                List.of(
                        "--override-kv",
                        "general.name=str:War",
                        "--override-kv",
                        "tokenizer.ggml.add_bos_token=bool:false",
                        "--override-kv",
                        "llama.rope.freq_base=float:20000",
                        "--prune-layers",
                        "2,1",
                        "--tensor-type",
                        "ATTN_K=q8_0",
                        "--output-tensor-type",
                        "q5_k",
                        "--token-embedding-type",
                        "Q5_0"),
                FileType.Q4_K_M,
                new QuantizeOptions()
                        .metadata("general.name", "War")
                        .metadata("tokenizer.ggml.add_bos_token", false)
                        .metadata("llama.rope.freq_base", 20000.0)
                        .prune(1, 2)
                        .tensorType("attn_k", 8)
                        .outputType(13)
                        .embeddingType(6));
    }

    @Test
    void typesThatNothingIsStoredAs() {
        for (String type : List.of("q8_k", "q8_1", "i8", "f64", "q9")) {
            Cli.Run run = Cli.run("quantize", "--tensor-type", "attn=" + type, "in.gguf", "out.gguf", "Q4_0");
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err()).contains("expected a tensor type such as Q6_K, found '" + type + "'");
        }
    }
}
