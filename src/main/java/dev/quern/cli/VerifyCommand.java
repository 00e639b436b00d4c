package dev.quern.cli;

import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.Method;
import dev.quern.pipeline.Provenance;
import dev.quern.pipeline.Source;
import dev.quern.report.Json;
import dev.quern.report.Table;
import dev.quern.verification.Manifest;
import dev.quern.verification.Soundness;
import dev.quern.verification.SourceComparison;
import dev.quern.verification.TensorResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "verify",
        description = "Checks a finished GGUF: its structure and that every value is a number; with --manifest its"
                + " hashes; with --against every key and tensor against what it was made of.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "Exit code 4 when something differs.",
            "",
            "Examples:",
            "  quern verify model-Q4_K_M.gguf --against llama-7b/",
            "  quern hash model.gguf > model.sha256 && quern verify model.gguf --manifest model.sha256"
        })
final class VerifyCommand implements Callable<Integer> {
    @Parameters(paramLabel = "FILE.gguf", description = "The file to check.")
    @SuppressWarnings("NullAway.Init")
    Path path;

    @Option(
            names = "--against",
            paramLabel = "SOURCE",
            description = "The checkpoint or GGUF that the file was made of.")
    @Nullable
    Path against;

    @Option(
            names = "--imatrix",
            paramLabel = "FILE",
            description = "With --against: the importance matrix that the file was quantized with.")
    @Nullable
    Path importance;

    @Option(
            names = "--method",
            paramLabel = "METHOD",
            converter = TypeOptions.Methods.class,
            description = "With --against: how the file's codes were chosen. Compensated ones are fitted to what layers"
                    + " compute, so that their weights are held to their direction only; hashes are sharper (default:"
                    + " what the file's provenance says, or reference or search).")
    @Nullable
    Method method;

    @Option(
            names = "--manifest",
            paramLabel = "FILE",
            description = "Hashes to compare with: lines of 'quern hash', llama-gguf-hash or sha256sum.")
    @Nullable
    Path manifest;

    @Option(names = "--tensors", description = "List every tensor's error, not only what differs.")
    boolean tensors;

    @Option(names = "--json", description = "Print the result as JSON on stdout.")
    boolean json;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Worker threads; the result is the same for any number (default: all cores).")
    int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--quiet", description = "Say nothing but what differs.")
    boolean quiet;

    @Override
    public Integer call() {
        Talk talk = new Talk(quiet);
        List<String> differences = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        List<TensorResult> results = List.of();
        if (importance != null && against == null) {
            throw new RefusedException(
                    importance, "is of no use without --against", "name the source that the file was made of");
        }
        try (Source file = Source.open(path)) {
            if (file.general().isPresent()) {
                throw new RefusedException(path, "expected a GGUF file, found a " + file.kind(), "convert it first");
            }
            if (manifest != null) {
                differences.addAll(Manifest.read(manifest)
                        .check(path, talk.progress("bytes"))
                        .problems());
            }
            if (against != null) {
                SourceComparison.Result result = compare(file, against, talk);
                results = result.tensors();
                differences.addAll(result.differences());
                notes.addAll(result.notes());
            } else {
                differences.addAll(Soundness.problems(file, Math.max(1, threads), talk.progress("values")));
            }
        }
        if (json) {
            System.out.println(Json.pretty(map(differences, notes, results)));
        } else {
            print(talk, differences, notes, results);
        }
        return differences.isEmpty() ? 0 : Quern.DIFFERENCE;
    }

    private SourceComparison.Result compare(Source file, Path source, Talk talk) {
        Optional<ImportanceMatrix> matrix = Optional.ofNullable(importance).map(ImportanceReader::read);
        try (Source opened = Source.open(source)) {
            return SourceComparison.of(
                    file,
                    opened,
                    new SourceComparison.Options(
                            Math.max(1, threads), isFitted(file), matrix, talk.progress("values")));
        }
    }

    private boolean isFitted(Source file) {
        return method == null
                ? Provenance.options(file.model().metadata()).contains("method=compensated")
                : method == Method.COMPENSATED;
    }

    private void print(Talk talk, List<String> differences, List<String> notes, List<TensorResult> results) {
        if (tensors) {
            System.out.print(table(results));
        }
        notes.forEach(note -> talk.say("note: " + note));
        differences.forEach(System.out::println);
        long identical = results.stream()
                .filter(result -> result.verdict() == TensorResult.Verdict.IDENTICAL)
                .count();
        if (differences.isEmpty()) {
            talk.say(
                    against == null
                            ? path + ": sound"
                            : String.format(
                                    Locale.ROOT,
                                    "%s: %d tensors, %d byte for byte what the source gives, %d within what their"
                                            + " types give",
                                    path,
                                    results.size(),
                                    identical,
                                    results.size() - identical));
        } else {
            talk.say(path + ": " + differences.size() + (differences.size() == 1 ? " difference" : " differences"));
        }
    }

    private static String table(List<TensorResult> results) {
        Table table = new Table("tensor", "type", "blocks that differ", "RMSE", "largest error", "cosine", "verdict");
        for (TensorResult result : results) {
            table.add(
                    result.name(),
                    result.type().name(),
                    result.differing() + " of " + result.blocks(),
                    String.format(Locale.ROOT, "%.3e", result.rmse()),
                    String.format(Locale.ROOT, "%.3e", result.largestError()),
                    String.format(Locale.ROOT, "%.6f", result.cosine()),
                    result.verdict().name().toLowerCase(Locale.ROOT));
        }
        return table.text();
    }

    private Map<String, Object> map(List<String> differences, List<String> notes, List<TensorResult> results) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("file", path.toString());
        map.put("sound", differences.isEmpty());
        map.put("differences", differences);
        map.put("notes", notes);
        List<Map<String, Object>> list = new ArrayList<>();
        for (TensorResult result : results) {
            Map<String, Object> tensor = new LinkedHashMap<>();
            tensor.put("name", result.name());
            tensor.put("type", result.type().name());
            tensor.put("shape", result.shape().dims());
            tensor.put("verdict", result.verdict().name().toLowerCase(Locale.ROOT));
            tensor.put("blocks", result.blocks());
            tensor.put("differing", result.differing());
            tensor.put("rmse", result.rmse());
            tensor.put("reference_rmse", result.referenceRmse());
            tensor.put("largest_error", result.largestError());
            tensor.put("cosine", result.cosine());
            list.add(tensor);
        }
        map.put("tensors", list);
        return map;
    }
}
