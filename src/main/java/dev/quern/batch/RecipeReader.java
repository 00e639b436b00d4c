package dev.quern.batch;

import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Quantity;
import dev.quern.io.InputException;
import dev.quern.io.JsonSchema;
import dev.quern.io.Sha256;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Reads a recipe: {@code formats/recipe.schema.json} says what it holds, and here is what a schema cannot say. */
public final class RecipeReader {
    private final YamlDocument document;
    private final RecipeNodes nodes;
    private final Path file;

    private RecipeReader(Path file, Map<String, String> environment) {
        this.file = file;
        this.document = YamlDocument.read(file);
        Path directory = file.toAbsolutePath().normalize().getParent();
        // Relative recipes keep relative paths, which people recognize in messages.
        Path given = file.getParent();
        this.nodes = new RecipeNodes(
                document,
                new RecipePaths(
                        file.isAbsolute() && directory != null ? directory : given == null ? Path.of("") : given,
                        environment));
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
        OutputReader reader = new OutputReader(nodes);
        List<Recipe.Output> outputs = reader.read(root.get("outputs"));
        Optional<Recipe.Evaluation> evaluation = evaluation(root.get("evaluation"), outputs);
        Optional<Recipe.Calibration> calibration = calibration(root.get("calibration"));
        reader.requireTexts(outputs, calibration.isPresent());
        Optional<Path> baseline = nodes.optionalPath(root, "", "baseline");
        Path directory = nodes.optionalPath(root, "", "output")
                .orElseGet(() -> nodes.paths().path("out"));
        return new Recipe(
                file,
                Sha256.of(document.bytes()),
                RecipeNodes.text(root, "name").orElse(String.valueOf(file.getFileName())),
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
                RecipeNodes.integer(root, "threads"),
                RecipeNodes.integer(root, "concurrency").orElse(1),
                root.path("continue_on_error").asBoolean(false));
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
            List<Path> found = nodes.resolve(pointer, () -> nodes.paths().matches(given));
            Optional<String> name = node.isObject() ? RecipeNodes.text(node, "name") : Optional.empty();
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

    private Optional<Recipe.Calibration> calibration(@Nullable JsonNode node) {
        return node == null
                ? Optional.empty()
                : Optional.of(new Recipe.Calibration(
                        nodes.file("/calibration/text", node.get("text").asString()),
                        RecipeNodes.integer(node, "context").orElse(Recipe.CONTEXT),
                        RecipeNodes.integer(node, "chunks").orElse(Integer.MAX_VALUE)));
    }

    private Optional<Recipe.Evaluation> evaluation(@Nullable JsonNode node, List<Recipe.Output> outputs) {
        if (node == null) {
            return Optional.empty();
        }
        List<Path> texts = new ArrayList<>();
        for (int i = 0; i < node.get("texts").size(); i++) {
            Path text = nodes.file(
                    "/evaluation/texts/" + i, node.get("texts").get(i).asString());
            // Reports and gates know a text by its name.
            if (texts.stream().anyMatch(other -> Objects.equals(other.getFileName(), text.getFileName()))) {
                throw document.refuse(
                        "/evaluation/texts/" + i,
                        "expected texts of different names, found a second " + text.getFileName());
            }
            texts.add(text);
        }
        Optional<String> base = RecipeNodes.text(node, "base").filter(name -> !name.equals("source"));
        if (base.isPresent()
                && outputs.stream().noneMatch(output -> output.name().equals(base.get()))) {
            throw document.refuse(
                    "/evaluation/base", "expected source or the name of an output, found '" + base.get() + "'");
        }
        return Optional.of(new Recipe.Evaluation(
                List.copyOf(texts),
                RecipeNodes.integer(node, "context").orElse(Recipe.CONTEXT),
                RecipeNodes.integer(node, "chunks").orElse(Integer.MAX_VALUE),
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
                gates.add(new BatchGate.Absolute(gate(at, quantity, RecipeNodes.written(entry.getValue()))));
                continue;
            }
            if (!baseline) {
                throw document.refuse(at, "drift needs baseline: the JSON report of an earlier run");
            }
            for (Map.Entry<String, JsonNode> drift : entry.getValue().properties()) {
                String place = at + "/" + drift.getKey();
                gates.add(new BatchGate.Drift(
                        measurable(place, drift.getKey(), evaluated),
                        share(place, RecipeNodes.written(drift.getValue()))));
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
        Function<String, Optional<Path>> path = key -> nodes.optionalPath(node, "/reports", key);
        return new Recipe.Reports(path.apply("html"), path.apply("json"), path.apply("markdown"), path.apply("junit"));
    }
}
