package dev.quern.batch;

import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Quantity;
import dev.quern.io.InputException;
import dev.quern.io.JsonSchema;
import dev.quern.io.Sha256;
import dev.quern.pipeline.Method;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.FileType;
import dev.quern.quantization.MixOptions;
import dev.quern.quantization.QuantType;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Reads a recipe: {@code formats/recipe.schema.json} says what it holds, and here is what a schema cannot say. */
public final class RecipeReader {
    private static final int CONTEXT = 512;

    private final YamlDocument document;
    private final RecipePaths paths;
    private final Path file;

    private RecipeReader(Path file, Map<String, String> environment) {
        this.file = file;
        this.document = YamlDocument.read(file);
        Path directory = file.toAbsolutePath().normalize().getParent();
        // Relative recipes keep relative paths, which people recognize in messages.
        Path given = file.getParent();
        this.paths = new RecipePaths(
                file.isAbsolute() && directory != null ? directory : given == null ? Path.of("") : given, environment);
    }

    /**
     * @param environment what {@code ${NAME}} stands for
     * @throws InputException with the line and column of what is wrong
     */
    public static Recipe read(Path file, Map<String, String> environment) {
        return new RecipeReader(file, environment).recipe();
    }

    private Recipe recipe() {
        JsonNode root = document.root();
        checkSchema(root);
        List<Recipe.Input> sources = sources(root.get("sources"));
        List<Recipe.Output> outputs = outputs(root.get("outputs"));
        Optional<Recipe.Evaluation> evaluation = evaluation(root.get("evaluation"), outputs);
        Optional<Recipe.Calibration> calibration = calibration(root.get("calibration"));
        requireTextForCodes(outputs, calibration.isPresent());
        Optional<Path> baseline = optionalPath(root, "", "baseline");
        Path directory = optionalPath(root, "", "output").orElseGet(() -> paths.path("out"));
        return new Recipe(
                file,
                Sha256.of(document.bytes()),
                text(root, "name").orElse(String.valueOf(file.getFileName())),
                directory,
                sources,
                outputs,
                calibration,
                evaluation,
                gates(root.get("gates"), sources, outputs, evaluation, baseline.isPresent()),
                baseline,
                reports(root.get("reports"), directory),
                new Recipe.Statements(
                        root.path("provenance").asBoolean(true),
                        root.path("attestation").asBoolean(false),
                        root.path("bom").asBoolean(false)),
                integer(root, "threads"),
                integer(root, "concurrency").orElse(1),
                root.path("continue_on_error").asBoolean(false));
    }

    private void requireTextForCodes(List<Recipe.Output> outputs, boolean calibrated) {
        for (int i = 0; i < outputs.size(); i++) {
            if (outputs.get(i).method() == Method.COMPENSATED && !calibrated) {
                throw document.refuse(
                        "/outputs/" + i + "/method",
                        "expected a calibration with a text, which compensated codes are fitted to, found none");
            }
            if (outputs.get(i).method() == Method.COMPENSATED
                    && !outputs.get(i).prunedLayers().isEmpty()) {
                throw document.refuse(
                        "/outputs/" + i + "/prune_layers",
                        "expected none with method compensated, which computes the whole model");
            }
        }
    }

    private void checkSchema(JsonNode root) {
        List<JsonSchema.Problem> problems = JsonSchema.named("recipe.schema.json").problems(root).stream()
                .sorted(Comparator.comparingInt(problem -> document.line(problem.pointer())))
                .toList();
        if (problems.isEmpty()) {
            return;
        }
        JsonSchema.Problem first = problems.getFirst();
        InputException refusal = document.refuse(first.pointer(), first.problem());
        if (problems.size() > 1) {
            List<String> others = problems.stream()
                    .skip(1)
                    .map(other ->
                            "line " + document.line(other.pointer()) + ": " + other.path() + ": " + other.problem())
                    .toList();
            throw refusal.withHint("and " + String.join("; ", others));
        }
        throw refusal;
    }

    private List<Recipe.Input> sources(JsonNode list) {
        LinkedHashMap<String, Recipe.Input> sources = new LinkedHashMap<>();
        for (int i = 0; i < list.size(); i++) {
            JsonNode node = list.get(i);
            String pointer = "/sources/" + i + (node.isObject() ? "/path" : "");
            String given = node.isObject() ? node.get("path").asString() : node.asString();
            List<Path> found = resolve(pointer, () -> paths.matches(given));
            Optional<String> name = node.isObject() ? text(node, "name") : Optional.empty();
            if (name.isPresent() && found.size() > 1) {
                throw document.refuse(
                        "/sources/" + i + "/name",
                        "one name cannot stand for the " + found.size() + " matches of path");
            }
            for (Path path : found) {
                Recipe.Input source = new Recipe.Input(name.orElseGet(() -> nameOf(path)), path);
                Recipe.Input other = sources.putIfAbsent(source.name().toLowerCase(Locale.ROOT), source);
                if (other != null && !other.path().equals(path)) {
                    throw document.refuse(
                            pointer,
                            path + " and " + other.path() + " would both be called " + source.name()
                                    + "; give one a name with {path: …, name: …}");
                }
            }
        }
        return List.copyOf(sources.values());
    }

    /** A file name of its own: the last part of the path without what says that it is a model. */
    private static String nameOf(Path path) {
        String name = String.valueOf(path.toAbsolutePath().normalize().getFileName());
        return name.replaceFirst("(?i)\\.(gguf|safetensors|bin|pth|pt)$", "").replaceAll("[^A-Za-z0-9._+-]", "_");
    }

    private List<Recipe.Output> outputs(JsonNode list) {
        LinkedHashMap<String, Recipe.Output> outputs = new LinkedHashMap<>();
        for (int i = 0; i < list.size(); i++) {
            Recipe.Output output = output(list.get(i), "/outputs/" + i);
            if (output.name().equalsIgnoreCase("all") || output.name().equalsIgnoreCase("source")) {
                throw document.refuse("/outputs/" + i + "/name", "'" + output.name() + "' has a meaning of its own");
            }
            if (outputs.putIfAbsent(output.name().toLowerCase(Locale.ROOT), output) != null) {
                throw document.refuse(
                        "/outputs/" + i,
                        "expected outputs with different names, found a second " + output.name()
                                + "; give one a name of its own");
            }
        }
        return List.copyOf(outputs.values());
    }

    private Recipe.Output output(JsonNode node, String pointer) {
        if (node.isString()) {
            FileType type = FileType.valueOf(node.asString());
            return new Recipe.Output(
                    type.name(),
                    type,
                    Method.REFERENCE,
                    true,
                    Optional.empty(),
                    MixOptions.NONE,
                    false,
                    new TreeSet<>());
        }
        FileType type = FileType.valueOf(node.get("type").asString());
        List<MixOptions.TypeOverride> overrides = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : node.path("tensor_types").properties()) {
            String at = pointer + "/tensor_types/" + JsonSchema.escaped(entry.getKey());
            overrides.add(new MixOptions.TypeOverride(
                    pattern(at, entry.getKey()), tensorType(at, entry.getValue().asString())));
        }
        MixOptions mix = new MixOptions(
                node.path("pure").asBoolean(false),
                node.path("leave_output_tensor").asBoolean(false),
                text(node, "output_tensor_type").map(text -> tensorType(pointer + "/output_tensor_type", text)),
                text(node, "token_embedding_type").map(text -> tensorType(pointer + "/token_embedding_type", text)),
                overrides);
        TreeSet<Integer> pruned = new TreeSet<>();
        node.path("prune_layers").forEach(layer -> pruned.add(layer.asInt()));
        return new Recipe.Output(
                text(node, "name").orElse(type.name()),
                type,
                Method.valueOf(text(node, "method").orElse("reference").toUpperCase(Locale.ROOT)),
                node.path("calibrate").asBoolean(true),
                optionalPath(node, pointer, "imatrix"),
                mix,
                node.path("allow_requantize").asBoolean(false),
                pruned);
    }

    private QuantType tensorType(String pointer, String text) {
        return QuantType.fromName(text)
                .filter(Codecs::canQuantize)
                .orElseThrow(
                        () -> document.refuse(pointer, "expected a tensor type such as Q6_K, found '" + text + "'"));
    }

    private Pattern pattern(String pointer, String text) {
        try {
            // Tensor names are lower case, and the reference lower-cases the pattern.
            return Pattern.compile(text.toLowerCase(Locale.ROOT));
        } catch (PatternSyntaxException e) {
            throw document.refuse(pointer, "expected a regular expression, found: " + e.getDescription());
        }
    }

    private Optional<Recipe.Calibration> calibration(@Nullable JsonNode node) {
        return node == null
                ? Optional.empty()
                : Optional.of(new Recipe.Calibration(
                        file("/calibration/text", node.get("text").asString()),
                        integer(node, "context").orElse(CONTEXT),
                        integer(node, "chunks").orElse(Integer.MAX_VALUE)));
    }

    private Optional<Recipe.Evaluation> evaluation(@Nullable JsonNode node, List<Recipe.Output> outputs) {
        if (node == null) {
            return Optional.empty();
        }
        List<Path> texts = new ArrayList<>();
        for (int i = 0; i < node.get("texts").size(); i++) {
            Path text = file("/evaluation/texts/" + i, node.get("texts").get(i).asString());
            // Reports and gates know a text by its name.
            if (texts.stream().anyMatch(other -> Objects.equals(other.getFileName(), text.getFileName()))) {
                throw document.refuse(
                        "/evaluation/texts/" + i,
                        "expected texts of different names, found a second " + text.getFileName());
            }
            texts.add(text);
        }
        Optional<String> base = text(node, "base").filter(name -> !name.equals("source"));
        if (base.isPresent()
                && outputs.stream().noneMatch(output -> output.name().equals(base.get()))) {
            throw document.refuse(
                    "/evaluation/base", "expected source or the name of an output, found '" + base.get() + "'");
        }
        return Optional.of(new Recipe.Evaluation(
                List.copyOf(texts),
                integer(node, "context").orElse(CONTEXT),
                integer(node, "chunks").orElse(Integer.MAX_VALUE),
                base,
                node.path("tensor_errors").asBoolean(true)));
    }

    private Map<String, List<BatchGate>> gates(
            @Nullable JsonNode node,
            List<Recipe.Input> sources,
            List<Recipe.Output> outputs,
            Optional<Recipe.Evaluation> evaluation,
            boolean baseline) {
        Map<String, List<BatchGate>> gates = new LinkedHashMap<>();
        if (node == null) {
            return gates;
        }
        String base = evaluation.flatMap(Recipe.Evaluation::base).orElse("");
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            String pointer = "/gates/" + JsonSchema.escaped(entry.getKey());
            List<BatchGate> read = gates(entry.getValue(), pointer, evaluation.isPresent(), baseline);
            String pattern = entry.getKey().equals("all") ? "*" : entry.getKey();
            boolean used = false;
            for (Recipe.Input source : sources) {
                for (Recipe.Output output : outputs) {
                    if (!Recipe.matches(pattern, source.name(), output.name())) {
                        continue;
                    }
                    used = true;
                    // The base is compared with nothing, so that its size alone can be judged.
                    gates.computeIfAbsent(Recipe.key(source.name(), output.name()), key -> new ArrayList<>())
                            .addAll(read.stream()
                                    .filter(gate -> !output.name().equals(base) || gate.quantity() == Quantity.SIZE)
                                    .toList());
                }
            }
            if (!used) {
                throw document.refuse(
                        pointer,
                        "expected all, an output (" + names(outputs.stream().map(Recipe.Output::name)) + "), a source ("
                                + names(sources.stream().map(Recipe.Input::name)) + ") or SOURCE/OUTPUT, found '"
                                + entry.getKey() + "'");
            }
            if (entry.getKey().equals(base) && read.stream().anyMatch(gate -> gate.quantity() != Quantity.SIZE)) {
                throw document.refuse(pointer, base + " is what others are compared with: only its size can be judged");
            }
        }
        return gates;
    }

    private static String names(Stream<String> names) {
        return names.collect(Collectors.joining(", "));
    }

    private List<BatchGate> gates(JsonNode node, String pointer, boolean evaluated, boolean baseline) {
        List<BatchGate> gates = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            String at = pointer + "/" + entry.getKey();
            if (!entry.getKey().equals("drift")) {
                Quantity quantity = measurable(at, entry.getKey(), evaluated);
                gates.add(new BatchGate.Absolute(gate(at, quantity, written(entry.getValue()))));
                continue;
            }
            if (!baseline) {
                throw document.refuse(at, "drift needs baseline: the JSON report of an earlier run");
            }
            for (Map.Entry<String, JsonNode> drift : entry.getValue().properties()) {
                String place = at + "/" + drift.getKey();
                gates.add(new BatchGate.Drift(
                        measurable(place, drift.getKey(), evaluated), share(place, written(drift.getValue()))));
            }
        }
        return gates;
    }

    private Quantity measurable(String pointer, String word, boolean evaluated) {
        Quantity quantity =
                Quantity.of(word).orElseThrow(() -> document.refuse(pointer, "expected one of " + Quantity.words()));
        if (!evaluated && quantity != Quantity.SIZE) {
            throw document.refuse(pointer, "can only be measured with evaluation: a text to compare on");
        }
        return quantity;
    }

    /** A limit, with the quantity's own relation where the recipe has none. */
    private Gate gate(String pointer, Quantity quantity, String limit) {
        String relation = limit.strip().matches("[<>].*") ? "" : ": ";
        try {
            return Gate.parse(quantity.word() + relation + limit.strip());
        } catch (Gate.Unreadable e) {
            throw document.refuse(pointer, String.valueOf(e.getMessage()));
        }
    }

    /** A number as people write it, without an exponent unless it is a very large or small one. */
    private static String written(JsonNode node) {
        double value = node.isNumber() ? Math.abs(node.asDouble()) : 0;
        return node.isNumber() && (value == 0 || (value > 1e-12 && value < 1e15))
                ? BigDecimal.valueOf(node.asDouble()).stripTrailingZeros().toPlainString()
                : node.asString();
    }

    private double share(String pointer, String text) {
        try {
            return Gate.share(text);
        } catch (Gate.Unreadable e) {
            throw document.refuse(pointer, String.valueOf(e.getMessage()));
        }
    }

    private Recipe.Reports reports(@Nullable JsonNode node, Path directory) {
        if (node == null) {
            return new Recipe.Reports(
                    Optional.of(directory.resolve("report.html")),
                    Optional.of(directory.resolve("report.json")),
                    Optional.of(directory.resolve("report.md")),
                    Optional.of(directory.resolve("report.xml")));
        }
        Function<String, Optional<Path>> path = key -> optionalPath(node, "/reports", key);
        return new Recipe.Reports(path.apply("html"), path.apply("json"), path.apply("markdown"), path.apply("junit"));
    }

    private Path file(String pointer, String text) {
        Path path = resolve(pointer, () -> paths.path(text));
        if (!java.nio.file.Files.isRegularFile(path)) {
            throw document.refuse(pointer, "expected a text file, found none at " + path);
        }
        return path;
    }

    private Optional<Path> optionalPath(JsonNode node, String pointer, String key) {
        return text(node, key).map(text -> resolve(pointer + "/" + key, () -> paths.path(text)));
    }

    private <T> T resolve(String pointer, java.util.function.Supplier<T> resolved) {
        try {
            return resolved.get();
        } catch (RecipePaths.Unreadable e) {
            throw document.refuse(pointer, String.valueOf(e.getMessage()));
        }
    }

    private static Optional<String> text(JsonNode node, String key) {
        return node.has(key) ? Optional.of(node.get(key).asString()) : Optional.empty();
    }

    private static Optional<Integer> integer(JsonNode node, String key) {
        return node.has(key) ? Optional.of(node.get(key).asInt()) : Optional.empty();
    }
}
