package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family's tiny model, converted and quantized: the mix is llama_model_quantize's, to the byte, and llama.cpp
 * loads it.
 */
class FamilyMixTest {
    /** Which llama.cpp has names for, and neither quantizes nor loads. */
    private static final String GPT_J = "gptj";

    @TempDir
    Path folder;

    static List<Family> families() {
        return Family.all().stream()
                // llama.cpp knows DeepSeek V2 Lite by its 27 layers, and this has two.
                .filter(family -> !family.name().equals("deepseek2-lite")
                        && !family.name().equals(GPT_J))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("families")
    void quantizesAsTheLibraryAndLoads(Family family) throws Exception {
        LlamaCpp.require();
        Path in = FamiliesTest.convert(family.write(folder), FileType.F16, folder);
        // Experts that are MXFP4 already stay so: both refuse to quantize them again unless they are told to.
        FileType type = FileType.Q4_K_M;
        if (family.name().equals("gpt-oss-mxfp4")) {
            Identity.refused(in, type, new Request(), "requantizing from type mxfp4 is disabled", "MXFP4");
            type = FileType.MXFP4_MOE;
        }
        Identity.same(in, type, new Request());
        Path out = folder.resolve("mix.gguf");
        try (Source source = Source.open(in)) {
            Conversion.run(
                    List.of(new Conversion.Output(Quantization.plan(source, type, QuantizationOptions.NONE), out)),
                    source.model().paths(),
                    new Conversion.Options(1, Kernel.SIMD, false, false, Progress.SILENT));
        }
        try (LlamaModel model = LlamaCpp.load(out)) {
            assertThat(model.vocabularySize()).isEqualTo(family.vocabularySize());
        }
    }

    /** llama.cpp refuses both, so that the types are held against its rules for families without any of their own. */
    @Test
    void whatThePageSaysOfRunnersOfGptJIsSo() throws Exception {
        LlamaCpp.require();
        Path in = FamiliesTest.convert(Family.of(GPT_J).write(folder), FileType.F16, folder);
        String unsupported = "unsupported model architecture: 'gptj'";
        assertThatThrownBy(() -> LlamaCpp.load(in)).hasMessageContaining(unsupported);
        assertThatThrownBy(() -> new Request().theirs(in, FileType.Q4_K_M, folder.resolve("theirs.gguf")))
                .hasMessageContaining(unsupported);
        try (Source source = Source.open(in)) {
            assertThat(source.runners())
                    .hasValueSatisfying(line -> assertThat(line)
                            .contains("llama.cpp v0.5.0 has names for GPT-J's tensors and does not compute it"));
            Map<String, String> types = new LinkedHashMap<>();
            Quantization.plan(source, FileType.Q4_K_M, QuantizationOptions.NONE)
                    .tensors()
                    .forEach(tensor -> types.put(tensor.name(), tensor.type().toString()));
            // Of the two blocks the second has more bits; rows of 64 are no super-blocks, and take the next type.
            assertThat(types)
                    .containsEntry("token_embd.weight", "Q5_0")
                    .containsEntry("output.weight", "Q8_0")
                    .containsEntry("output.bias", "F32")
                    .containsEntry("blk.0.attn_v.weight", "Q5_0")
                    .containsEntry("blk.1.attn_v.weight", "Q8_0")
                    .containsEntry("blk.0.ffn_down.weight", "Q4_K")
                    .containsEntry("blk.1.ffn_down.weight", "Q6_K");
        }
    }
}
