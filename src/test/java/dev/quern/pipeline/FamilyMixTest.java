package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family's tiny model, converted and quantized: the mix is llama_model_quantize's, to the byte, and llama.cpp
 * loads it.
 */
class FamilyMixTest {
    @TempDir
    Path folder;

    static List<Family> families() {
        return Family.all().stream()
                // llama.cpp knows DeepSeek V2 Lite by its 27 layers, and this has two.
                .filter(family -> !family.name().equals("deepseek2-lite"))
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
}
