package dev.quern;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.Architectures.LayeredArchitecture;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * Dependencies point one way, from the command line down to the bytes. Each package names here what it may know;
 * whoever needs one more edge changes this list and has to say why.
 */
class ArchitectureTest {
    private static final Map<String, List<String>> MAY_KNOW = mayKnow();

    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.quern");

    private static Map<String, List<String>> mayKnow() {
        var edges = new LinkedHashMap<String, List<String>>();
        edges.put("concurrent", List.of());
        edges.put("io", List.of());
        edges.put("tensor", List.of("io"));
        edges.put("quantization", List.of("tensor", "io"));
        // Which types a model gets for its size: candidates are quantization's types.
        edges.put("allocation", List.of("quantization"));
        edges.put("gguf", List.of("io", "tensor", "quantization"));
        edges.put("tokenizer", List.of("io", "gguf"));
        // Files of llama.cpp before GGUF hold its block types.
        edges.put("checkpoint", List.of("io", "tensor", "quantization"));
        // A page of data says what a checkpoint's names mean, so it knows checkpoints and they do not know it.
        edges.put("architecture", List.of("io", "tensor", "gguf", "checkpoint"));
        // Sums of activations are written as a GGUF of F32 tensors, and tensor types are quantization's.
        edges.put("importance", List.of("io", "tensor", "quantization", "gguf"));
        // The forward pass is where activations are, so it is what fills importance's sums.
        edges.put(
                "evaluation",
                List.of(
                        // The one way to share work out among threads.
                        "concurrent",
                        "io",
                        "tensor",
                        "quantization",
                        "gguf",
                        "tokenizer",
                        "architecture",
                        "importance"));
        // Works on the evaluator's packed inputs, with its kernel.
        edges.put("compensation", List.of("concurrent", "io", "tensor", "quantization", "evaluation"));
        edges.put(
                "pipeline",
                List.of(
                        "concurrent",
                        "compensation",
                        "io",
                        "tensor",
                        "quantization",
                        "gguf",
                        "tokenizer",
                        "checkpoint",
                        "architecture",
                        "importance",
                        // Plans of a wanted size try types in the model and choose among them.
                        "allocation",
                        // A model to be evaluated is a source, opened; the evaluator knows neither files nor sources.
                        "evaluation"));
        edges.put(
                "verification",
                List.of(
                        "concurrent",
                        "io",
                        "tensor",
                        "quantization",
                        "gguf",
                        "architecture",
                        "importance",
                        "pipeline"));
        edges.put("report", List.copyOf(edges.keySet()));
        // A run makes its report, and reads earlier ones to measure drift.
        edges.put("batch", List.copyOf(edges.keySet()));
        edges.put("cli", List.copyOf(edges.keySet()));
        return edges;
    }

    /** The other rules hold for an empty set too, so an import that finds nothing would pass them all. */
    @Test
    void classesAreFound() {
        assertThat(CLASSES).isNotEmpty();
    }

    @Test
    void packagesKnowOnlyWhatIsBelowThem() {
        LayeredArchitecture layers =
                layeredArchitecture().consideringOnlyDependenciesInLayers().withOptionalLayers(true);
        for (String layer : MAY_KNOW.keySet()) {
            layers = layers.layer(layer).definedBy("dev.quern." + layer + "..");
        }
        for (var edge : MAY_KNOW.entrySet()) {
            String[] known = edge.getValue().toArray(String[]::new);
            layers = known.length == 0
                    ? layers.whereLayer(edge.getKey()).mayNotAccessAnyLayer()
                    : layers.whereLayer(edge.getKey()).mayOnlyAccessLayers(known);
        }
        layers.allowEmptyShould(true).check(CLASSES);
    }

    @Test
    void everyClassIsInAPackageThatHasRules() {
        String[] packages = MAY_KNOW.keySet().stream()
                .map(layer -> "dev.quern." + layer + "..")
                .toArray(String[]::new);
        classes().should().resideInAnyPackage(packages).allowEmptyShould(true).check(CLASSES);
    }

    @Test
    void packagesFormNoCycles() {
        slices().matching("dev.quern.(*)..")
                .should()
                .beFreeOfCycles()
                .allowEmptyShould(true)
                .check(CLASSES);
    }

    /** A package may choose among its subpackages, and they implement what it declares; they stay apart. */
    @Test
    void subpackagesFormNoCycles() {
        slices().matching("dev.quern.*.(*)..")
                .should()
                .beFreeOfCycles()
                .allowEmptyShould(true)
                .check(CLASSES);
    }

    @Test
    void namesSayWhatAClassIs() {
        noClasses()
                .should()
                .haveNameMatching(".*(Util|Utils|Helper|Manager|Impl)(\\$.*)?")
                .because("such a name fits any class, so the next method finds no better home")
                .allowEmptyShould(true)
                .check(CLASSES);
    }
}
