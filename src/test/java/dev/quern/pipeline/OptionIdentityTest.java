package dev.quern.pipeline;

import static dev.quern.quantization.FileType.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** llama-quantize's options, each held against the library: whole files. */
class OptionIdentityTest {
    private static final List<FileType> SOME = List.of(Q4_0, Q8_0, Q4_K_M, Q2_K, IQ4_XS, IQ3_M, TQ2_0, MXFP4_MOE, F32);

    @TempDir
    Path folder;

    private Path write(Fabricated model) throws IOException {
        return model.write(folder.resolve("in.gguf"));
    }

    static Stream<QuantType> quantizable() {
        return Stream.of(QuantType.values()).filter(Codecs::canQuantize);
    }

    @Test
    void pure() throws IOException {
        Fabricated model = Fabricated.llama(8, 8, 1);
        Path in = write(model);
        for (FileType type : SOME) {
            Identity.same(in, type, new Request().pure());
        }
        for (FileType type : List.of(IQ1_S, IQ2_M, IQ3_XS, Q2_K_S)) {
            Identity.same(in, type, new Request().pure().importance(model.importanceOfAll()));
        }
    }

    /** The library's process ends on a failed assertion here. */
    @Test
    void outputThatCannotDoWithoutImportance() throws IOException {
        Fabricated model = Fabricated.llama(1, 4, 4);
        Path in = write(model);
        for (QuantType type : List.of(QuantType.IQ2_XXS, QuantType.IQ2_XS, QuantType.IQ1_S)) {
            Path out = folder.resolve("out.gguf");
            assertThatThrownBy(() -> new Request().output(type).ours(in, Q4_0, out))
                    .isInstanceOf(InputException.class)
                    .hasMessage(in + ": tensor \"output.weight\": " + type + " needs an importance matrix");
            assertThat(out).doesNotExist();
            Identity.same(in, Q4_0, new Request().output(type).importance(model.importanceOfAll()));
        }
    }

    @Test
    void leaveOutputTensor() throws IOException {
        Path in = write(Fabricated.llama(2, 4, 4));
        for (FileType type : SOME) {
            Identity.same(in, type, new Request().leaveOutput());
        }
    }

    @ParameterizedTest
    @MethodSource("quantizable")
    void outputAndEmbeddingTypes(QuantType chosen) throws IOException {
        Path in = write(Fabricated.llama(1, 4, 4));
        // What these two need no importance for, the blocks themselves may still ask for.
        if (chosen.name().matches("IQ[12]_?(XXS|XS|S)")) {
            return;
        }
        for (FileType type : List.of(Q4_K_M, F16, MXFP4_MOE)) {
            Identity.same(in, type, new Request().output(chosen));
            Identity.same(in, type, new Request().embedding(chosen));
            Identity.same(
                    in,
                    type,
                    new Request().output(chosen).embedding(QuantType.Q5_1).pure());
        }
    }

    @ParameterizedTest
    @MethodSource("quantizable")
    void outputTypeOfTiedEmbeddings(QuantType chosen) throws IOException {
        if (chosen.name().matches("IQ[12]_?(XXS|XS|S)")) {
            return;
        }
        Path in = write(Fabricated.llama(1, 4, 4).withoutTensor("output.weight"));
        Identity.same(in, Q4_K_M, new Request().output(chosen));
        Identity.same(in, Q4_0, new Request().output(chosen).embedding(QuantType.Q5_K));
        Identity.same(in, IQ3_M, new Request().output(chosen).tensor("token_embd", QuantType.Q4_1));
    }

    @ParameterizedTest
    @MethodSource("quantizable")
    void tensorTypes(QuantType chosen) throws IOException {
        Fabricated model = Fabricated.llama(4, 4, 4);
        Path in = write(model);
        for (FileType type : List.of(Q4_K_M, Q3_K_M, BF16)) {
            Identity.same(
                    in,
                    type,
                    new Request()
                            .importance(model.importance())
                            .tensor("attn_v", chosen)
                            .tensor("blk\\.[1-2]\\.ffn_(up|gate)", chosen)
                            .tensor("attn", QuantType.Q5_0)
                            .tensor("\\.3\\..*down\\.weight$", chosen));
        }
    }

    /** Rows of 80 are whole blocks of no type, rows of 64 of some. */
    @ParameterizedTest
    @MethodSource("quantizable")
    void tensorTypesOnRowsThatDoNotDivide(QuantType chosen) throws IOException {
        for (int columns : new int[] {80, 64, 96}) {
            Fabricated model = new Fabricated("llama", 2, 4, 4).matrix("blk.0.attn_k.weight", columns);
            Path in = model.write(folder.resolve(columns + ".gguf"));
            Request request = new Request().importance(model.importance()).tensor("attn_k", chosen);
            boolean divides = columns % chosen.blockLength() == 0;
            if ((chosen == QuantType.Q1_0 || chosen == QuantType.NVFP4) && !divides) {
                Identity.refused(
                        in,
                        Q4_0,
                        request,
                        "no tensor type fallback is defined",
                        "no smaller block stands in for this type");
            } else {
                Identity.same(in, Q4_0, request);
            }
        }
    }

    @Test
    void inputsOfSeveralTypes() throws IOException {
        Fabricated model = new Fabricated("llama", 8, 8, 2)
                .as(QuantType.BF16)
                .embeddings()
                .attention("blk.0.")
                .as(QuantType.F32)
                .attention("blk.1.")
                .matrix("blk.1.ffn_down.weight", 512)
                .as(QuantType.F16)
                .attention("blk.2.")
                .matrix("blk.2.ffn_down.weight", 512);
        Path in = write(model);
        for (FileType type : FileType.values()) {
            Identity.same(in, type, new Request().importance(model.importance()));
        }
    }

    @ParameterizedTest
    @MethodSource("quantizable")
    void quantizedInput(QuantType given) throws IOException {
        Fabricated model = new Fabricated("llama", 2, 4, 4)
                .as(given)
                .embeddings()
                .attention("blk.0.")
                .matrix("blk.0.ffn_down.weight", 512);
        Path in = write(model);
        for (FileType type : List.of(Q4_0, Q4_K_M, Q8_0, F16, F32, IQ4_NL)) {
            Identity.same(in, type, new Request().requantize());
            Identity.same(in, type, new Request().requantize().importance(model.importance()));
        }
        Identity.same(in, Q4_K_M, new Request().requantize().leaveOutput());
        if (given.isQuantized() && given != QuantType.Q4_1) {
            Identity.refused(in, Q4_1, new Request(), "requantizing from type", "is already quantized (" + given + ")");
        }
    }

    /** Blocks that have their type already are taken without --allow-requantize. */
    @Test
    void whatIsThereAlreadyIsTaken() throws IOException {
        Path in = write(new Fabricated("llama", 2, 4, 4).as(QuantType.Q4_K).matrix("blk.0.attn_q.weight", 512));
        Identity.same(in, Q4_K_S, new Request());
    }

    @ParameterizedTest
    @MethodSource("quantizable")
    void copy(QuantType given) throws IOException {
        Path in = write(Fabricated.llama(2, 4, 4).as(given).matrix("blk.0.attn_q.weight", 256));
        Identity.same(in, F32, new Request().copy());
    }

    /** Without general.file_type llama.cpp guesses it by the type that is most frequent, or was so first. */
    @ParameterizedTest
    @MethodSource("quantizable")
    void guessedFileType(QuantType given) throws IOException {
        Fabricated most = new Fabricated("llama", 4, 4, 4)
                .as(given)
                .attention("blk.0.")
                .attention("blk.1.")
                .without("general.file_type");
        Identity.same(most.write(folder.resolve("most.gguf")), F32, new Request().copy());
        Fabricated even = new Fabricated("llama", 4, 4, 4)
                .as(QuantType.Q5_1)
                .matrix("blk.1.attn_q.weight", 256)
                .as(given)
                .matrix("blk.0.attn_q.weight", 256)
                .matrix("a.weight", 256)
                .as(QuantType.Q5_1)
                .matrix("b.weight", 256)
                .without("general.file_type");
        Identity.same(even.write(folder.resolve("even.gguf")), F32, new Request().copy());
        Identity.same(folder.resolve("even.gguf"), Q8_0, new Request().requantize());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"0", "1", "7", "0,1", "3,4,5", "2,6", "6,7", "0,7"})
    void pruneLayers(String list) throws IOException {
        int[] layers = Stream.of(list.split(",")).mapToInt(Integer::parseInt).toArray();
        Fabricated model = Fabricated.llama(8, 8, 1);
        Path in = write(model);
        for (FileType type : List.of(Q4_K_M, Q3_K_M, Q5_0, IQ3_M, F16)) {
            Identity.same(in, type, new Request().prune(layers));
            Identity.same(in, type, new Request().prune(layers).importance(model.importance()));
        }
        Identity.same(in, IQ2_XS, new Request().prune(layers).importance(model.importance()));
        Identity.same(in, F32, new Request().prune(layers).copy());
    }

    @Test
    void pruneLayersWithTensorTypes() throws IOException {
        Path in = write(Fabricated.llama(8, 8, 8));
        // Patterns see the numbers that layers have afterwards.
        Identity.same(in, Q4_0, new Request().prune(1, 2).tensor("blk\\.3\\.", QuantType.Q8_0));
    }

    @Test
    void overriddenKeys() throws IOException {
        Path in = write(Fabricated.llama(4, 8, 8).set("general.name", GgufValue.text("before")));
        Identity.same(
                in,
                Q4_0,
                new Request()
                        .key("general.name", GgufValue.text("after"), "after")
                        .key("general.new", GgufValue.u32(7), -7L)
                        .key("general.half", GgufValue.f32(0.1f), 0.1)
                        .key("general.truth", GgufValue.bool(true), true)
                        .key("general.file_type", GgufValue.u32(99), 99L)
                        .key("llama.context_length", GgufValue.u32(64), 64L));
    }

    /** The rules see the model as the overrides make it. */
    @ParameterizedTest
    @CsvSource({
        "llama.block_count, 16",
        "llama.block_count, 80",
        "llama.attention.head_count_kv, 1",
        "llama.attention.head_count, 32",
        "llama.expert_count, 8"
    })
    void overriddenHyperparameters(String key, long value) throws IOException {
        Fabricated model = Fabricated.llama(8, 8, 8).key("expert_used_count", GgufValue.u32(0));
        if (key.endsWith("expert_count")) {
            model.key("expert_count", GgufValue.u32(2)).key("expert_used_count", GgufValue.u32(1));
        }
        Path in = write(model);
        for (FileType type : List.of(Q4_K_M, Q3_K_M, Q2_K, IQ3_M, IQ4_XS)) {
            Identity.same(in, type, new Request().key(key, GgufValue.u32(value), value));
        }
    }

    /** Keys of every kind, as they stand and in their order, those that are set again at the end. */
    @Test
    void metadata() throws IOException {
        Fabricated model = Fabricated.llama(1, 4, 4)
                .set("general.quantization_version", GgufValue.u32(1))
                .set("split.no", new GgufValue.Int(GgufType.UINT16, 0))
                .set("split.count", new GgufValue.Int(GgufType.UINT16, 1))
                .set("split.tensors.count", GgufValue.i32(12))
                .set("a.u8", GgufValue.u8(200))
                .set("a.i8", new GgufValue.Int(GgufType.INT8, -3))
                .set("a.u16", GgufValue.u16(60_000))
                .set("a.i16", new GgufValue.Int(GgufType.INT16, -300))
                .set("a.i32", GgufValue.i32(-5))
                .set("a.u64", GgufValue.u64(1L << 40))
                .set("a.i64", new GgufValue.Int(GgufType.INT64, -(1L << 40)))
                .set("a.f64", new GgufValue.Real(GgufType.FLOAT64, Math.PI))
                .set("a.text", GgufValue.text("grain ▁ 粉"))
                .set("a.empty", GgufValue.text(""))
                .set("a.texts", GgufValue.texts(List.of("", "a", "▁b")))
                .set("a.no_texts", GgufValue.texts(List.of()))
                .set("a.floats", GgufValue.f32s(1.5f, -0f, 3e38f))
                .set("a.doubles", new GgufValue.Doubles(new double[] {1e300, -1}))
                .set("a.bytes", new GgufValue.Ints(GgufType.UINT8, new long[] {0, 255, 7}))
                .set("a.longs", new GgufValue.Ints(GgufType.INT64, new long[] {Long.MIN_VALUE, 1}))
                .set("a.truths", new GgufValue.Ints(GgufType.BOOL, new long[] {1, 0, 1}));
        Identity.same(write(model), Q4_0, new Request());
    }

    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "IQ3_XXS", "Q4_K_M"})
    void entriesOfTheEmbeddingThatDoNotFitAreIgnored(FileType type) throws IOException {
        Fabricated model = Fabricated.llama(2, 4, 4).matrix("per_layer_token_embd.weight", 256);
        Path in = write(model);
        var entries = new java.util.LinkedHashMap<>(model.importance().entries());
        var wrong = new dev.quern.importance.ImportanceMatrix.Entry(new float[1][128], List.of());
        entries.put("token_embd.weight", wrong);
        entries.put("per_layer_token_embd.weight", wrong);
        Identity.same(
                in, type, new Request().importance(new dev.quern.importance.ImportanceMatrix(entries, List.of(), 1)));
        entries.put("blk.1.attn_q.weight", wrong);
        Identity.refused(
                in,
                type,
                new Request().importance(new dev.quern.importance.ImportanceMatrix(entries, List.of(), 1)),
                "imatrix size 128 is different from tensor size 256 for blk.1.attn_q.weight",
                "tensor \"blk.1.attn_q.weight\": the importance matrix has 128 values, expected 256");
    }

    @Test
    void missingEntryOfATypeThatNeedsIt() throws IOException {
        Fabricated model = Fabricated.llama(2, 4, 4);
        Path in = write(model);
        Identity.refused(
                in,
                IQ2_XXS,
                new Request().importance(model.importance().filtered(List.of(), List.of("blk.1.attn_q"))),
                "Missing importance matrix for tensor blk.1.attn_q.weight",
                "tensor \"blk.1.attn_q.weight\": is not in the importance matrix, and IQ2_XXS needs one");
    }
}
