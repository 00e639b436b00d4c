package dev.quern.report;

import dev.quern.gguf.GgufMetadata;
import dev.quern.pipeline.Provenance;
import dev.quern.pipeline.Provenance.Digested;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Finished outputs and what they were made of, for statements about them.
 *
 * @param tool Quern's version
 * @param command that made them: convert, quantize or run
 */
public record Lineage(String tool, String command, Model model, List<Output> outputs) {
    public Lineage {
        outputs = List.copyOf(outputs);
    }

    /** @param license as the model card has it */
    public record Model(String name, String architecture, Optional<String> license) {
        public static Model of(GgufMetadata metadata) {
            return new Model(
                    metadata.text("general.name").orElse("model"),
                    metadata.architecture(),
                    metadata.text("general.license"));
        }
    }

    /**
     * @param type of the file, e.g. Q4_K_M
     * @param figures how it compares with its source; none where nothing was measured
     */
    public record Output(Digested file, String type, Provenance provenance, List<Figure> figures) {
        public Output {
            figures = List.copyOf(figures);
        }
    }

    /**
     * @param quantity as gates call it
     * @param text the name of the text it was measured on
     * @param low the lower end of its 95 % interval, or null
     * @param high the upper end, or null
     */
    public record Figure(
            String quantity,
            String text,
            double value,
            @Nullable Double low,
            @Nullable Double high) {}

    /** Everything that the outputs were made of, once each: sources first, then importance matrices, then texts. */
    List<Digested> materials() {
        List<Digested> sources = new ArrayList<>();
        List<Digested> importance = new ArrayList<>();
        List<Digested> texts = new ArrayList<>();
        for (Output output : outputs) {
            sources.addAll(output.provenance().sources());
            output.provenance().importance().ifPresent(importance::add);
            output.provenance().calibration().ifPresent(texts::add);
        }
        List<Digested> all = new ArrayList<>();
        for (List<Digested> some : List.of(sources, importance, texts)) {
            some.stream().distinct().filter(file -> !all.contains(file)).forEach(all::add);
        }
        return all;
    }
}
