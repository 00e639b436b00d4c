package dev.quern.batch;

import dev.quern.pipeline.Method;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.WantedSize;
import dev.quern.quantization.FileType;
import dev.quern.quantization.MixOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.SortedSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a run does, read from a file and checked: {@link RecipeReader}.
 *
 * @param file the recipe
 * @param sha256 of the file
 * @param directory that outputs go to
 * @param gates of each output of each source, by {@link #key}
 * @param statements what is said of where outputs come from
 * @param threads all sources together; empty for all cores
 */
public record Recipe(
        Path file,
        String sha256,
        String name,
        Path directory,
        List<Input> sources,
        List<Output> outputs,
        Optional<Calibration> calibration,
        Optional<Evaluation> evaluation,
        Map<String, List<BatchGate>> gates,
        Optional<Path> baseline,
        Reports reports,
        Statements statements,
        OptionalInt threads,
        int concurrency,
        boolean continueOnError) {
    /** Tokens in a window where the recipe does not say. */
    static final int CONTEXT = 512;

    public Recipe {
        sources = List.copyOf(sources);
        outputs = List.copyOf(outputs);
        gates = Map.copyOf(gates);
    }

    /** A checkpoint or GGUF file, and its name in reports and file names. */
    public record Input(String name, Path path) {}

    /**
     * What every source becomes.
     *
     * @param name distinguishes outputs; the type's unless the recipe says otherwise
     * @param calibrate whether the importance matrix that the recipe has collected is used
     * @param importance an importance matrix that is there already
     * @param target how large it may be, where its types are to be found for a size
     */
    public record Output(
            String name,
            FileType type,
            Method method,
            boolean calibrate,
            Optional<Path> importance,
            MixOptions mix,
            boolean allowRequantize,
            SortedSet<Integer> prunedLayers,
            Optional<Target> target) {

        /** Whether conversion alone makes it, without llama-quantize's rules. */
        boolean plain() {
            return method == Method.REFERENCE
                    && mix.equals(MixOptions.NONE)
                    && importance.isEmpty()
                    && prunedLayers.isEmpty()
                    && target.isEmpty()
                    && !allowRequantize;
        }

        /** Everything that changes the output's bytes besides source and importance, for people and for digests. */
        SequencedMap<String, String> options() {
            SequencedMap<String, String> options = QuantizationOptions.recorded(mix, allowRequantize, prunedLayers);
            if (method != Method.REFERENCE) {
                options.put("method", method.option());
            }
            target.ifPresent(wanted -> options.putAll(wanted.size().recorded()));
            return options;
        }
    }

    /**
     * @param asked the recipe's own words
     * @param text on which types are tried; empty for that of the calibration
     * @param saved whether the types are written for {@code --tensor-type-file}
     */
    public record Target(WantedSize size, String asked, Optional<Path> text, boolean saved) {}

    /** The texts that are read, whatever for. */
    List<Path> texts() {
        return Stream.of(
                        calibration.map(Calibration::text).stream(),
                        evaluation.stream().flatMap(wanted -> wanted.texts().stream()),
                        outputs.stream().flatMap(output -> influenceText(output).stream()))
                .flatMap(paths -> paths)
                .distinct()
                .toList();
    }

    /** The text on which types of an output are tried; empty where none are. */
    Optional<Path> influenceText(Output output) {
        return output.target().flatMap(target -> target.text().or(() -> calibration.map(Calibration::text)));
    }

    /** Tokens in a window of it: as many as in one of the calibration text. */
    int influenceContext() {
        return calibration.map(Calibration::context).orElse(CONTEXT);
    }

    /** @param chunks windows at most */
    public record Calibration(Path text, int context, int chunks) {}

    /**
     * @param chunks windows at most
     * @param base the name of the output that others are compared with; empty for the source itself
     */
    public record Evaluation(List<Path> texts, int context, int chunks, Optional<String> base, boolean tensorErrors) {}

    /** Where reports go. */
    public record Reports(Optional<Path> html, Optional<Path> json, Optional<Path> markdown, Optional<Path> junit) {
        Stream<Path> paths() {
            return Stream.of(html, json, markdown, junit).flatMap(Optional::stream);
        }
    }

    /**
     * @param provenance whether outputs have keys that say what they were made of
     * @param attestation whether there is an in-toto statement for each source
     * @param bom whether there is a bill of materials for each source
     */
    public record Statements(boolean provenance, boolean attestation, boolean bom) {}

    /** {@code out/llama-7b.intoto.json}. */
    Path attestation(Input source) {
        return directory.resolve(source.name() + ".intoto.json");
    }

    /** {@code out/llama-7b.cdx.json}. */
    Path bom(Input source) {
        return directory.resolve(source.name() + ".cdx.json");
    }

    /** {@code out/llama-7b-Q4_K_M.gguf}. */
    Path target(Input source, Output output) {
        return directory.resolve(source.name() + "-" + output.name() + ".gguf");
    }

    /** {@code out/llama-7b-Q4_K_M.types.txt}. */
    Path types(Input source, Output output) {
        return directory.resolve(source.name() + "-" + output.name() + ".types.txt");
    }

    /** {@code out/llama-7b.imatrix.gguf}. */
    Path collected(Input source) {
        return directory.resolve(source.name() + ".imatrix.gguf");
    }

    /** An output of a source, in maps and messages. */
    static String key(String source, String output) {
        return source + "/" + output;
    }

    /** Whether a source and an output match a pattern of {@code --only}: one of their names, or both with a slash. */
    static boolean matches(String pattern, String source, String output) {
        String regex = java.util.Arrays.stream(pattern.toLowerCase(Locale.ROOT).split("(?=[*?])|(?<=[*?])"))
                .map(part -> switch (part) {
                    case "*" -> ".*";
                    case "?" -> ".";
                    default -> java.util.regex.Pattern.quote(part);
                })
                .collect(Collectors.joining());
        String left = source.toLowerCase(Locale.ROOT);
        String right = output.toLowerCase(Locale.ROOT);
        return left.matches(regex) || right.matches(regex) || key(left, right).matches(regex);
    }
}
