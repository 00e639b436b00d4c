package dev.quern.cli;

import dev.quern.evaluation.Windows;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.pipeline.CompensatedPlan;
import dev.quern.pipeline.ImportanceKeys;
import dev.quern.pipeline.Method;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.FileType;
import dev.quern.quantization.MixOptions;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Which tensor gets which type, and what else llama-quantize is told; the options are its own. */
final class TypeOptions {
    @Mixin
    @SuppressWarnings("NullAway.Init")
    ImportanceOptions importance;

    @Option(
            names = "--method",
            paramLabel = "METHOD",
            converter = Methods.class,
            description = "How codes are chosen: reference, byte for byte as llama-quantize does; search, the scales of"
                    + " least error; compensated, a layer's codes together for what it computes on the text that"
                    + " --calibrate names. Types and sizes are the same (default: reference).")
    Method method = Method.REFERENCE;

    @Option(
            names = "--pure",
            description = "One type for all tensors that can be quantized, without the mix's exceptions.")
    boolean pure;

    @Option(names = "--leave-output-tensor", description = "Leave output.weight as it is.")
    boolean leaveOutputTensor;

    @Option(
            names = "--output-tensor-type",
            paramLabel = "TYPE",
            converter = QuantTypes.class,
            description = "The type of output.weight.")
    @Nullable
    QuantType outputTensorType;

    @Option(
            names = "--token-embedding-type",
            paramLabel = "TYPE",
            converter = QuantTypes.class,
            description = "The type of token_embd.weight.")
    @Nullable
    QuantType tokenEmbeddingType;

    @Option(
            names = "--tensor-type",
            paramLabel = "REGEX=TYPE",
            converter = TensorTypes.class,
            description = "The type of tensors whose name contains a match; repeatable, the first match decides.")
    List<MixOptions.TypeOverride> tensorTypes = new ArrayList<>();

    @Option(
            names = "--tensor-type-file",
            paramLabel = "FILE",
            description = "More of REGEX=TYPE, separated by white space.")
    @Nullable
    Path tensorTypeFile;

    @Option(
            names = "--allow-requantize",
            description = "Quantize tensors that are quantized already; it costs quality.")
    boolean allowRequantize;

    @Option(
            names = "--prune-layers",
            paramLabel = "N",
            split = ",",
            description = "Leave these layers out, e.g. 20,21,22; those behind them move up.")
    List<Integer> prunedLayers = new ArrayList<>();

    @Option(
            names = "--override-kv",
            paramLabel = "KEY=KIND:VALUE",
            converter = KeyValues.class,
            description = "Set a metadata key; KIND is int, float, bool or str; repeatable.")
    List<KeyValue> overrides = new ArrayList<>();

    /** @param text kind and value as they were typed */
    record KeyValue(String key, GgufValue value, String text) {}

    /** The files that these options name. */
    List<Path> files() {
        return Stream.of(
                        Optional.ofNullable(importance.file),
                        importance.calibrationText(),
                        Optional.ofNullable(tensorTypeFile))
                .flatMap(Optional::stream)
                .toList();
    }

    /**
     * @param source what a calibration of its own runs through
     * @param dryRun whether such a calibration is only planned
     * @throws InputException when a file that is named cannot be used
     */
    QuantizationOptions options(Source source, RunOptions run, boolean dryRun) {
        return options(importance.used(source, run, dryRun, this::requireEnough));
    }

    /** As they are but for the importance, which has yet to be measured: all columns count alike. */
    QuantizationOptions uncalibrated(Source source) {
        return options(importance.alike(source));
    }

    /** Codes that are chosen together need more text than an importance matrix. */
    private void requireEnough(Windows text) {
        if (method == Method.COMPENSATED) {
            CompensatedPlan.requireEnough(text);
        }
    }

    private QuantizationOptions options(Optional<ImportanceOptions.Used> used) {
        List<MixOptions.TypeOverride> types = new ArrayList<>(tensorTypes);
        if (tensorTypeFile != null) {
            types.addAll(readTypes(tensorTypeFile));
        }
        LinkedHashMap<String, GgufValue> keys = new LinkedHashMap<>();
        overrides.forEach(override -> keys.putLast(override.key(), override.value()));
        used.ifPresent(found -> found.provenance().forEach(keys::putLast));
        return new QuantizationOptions(
                new MixOptions(
                        pure,
                        leaveOutputTensor,
                        Optional.ofNullable(outputTensorType),
                        Optional.ofNullable(tokenEmbeddingType),
                        types),
                allowRequantize,
                used.map(ImportanceOptions.Used::matrix),
                keys,
                new TreeSet<>(prunedLayers),
                method,
                false);
    }

    /** How codes are chosen together, where they are. */
    Compensating compensating(RunOptions run) {
        return new Compensating(method, importance, !prunedLayers.isEmpty(), run);
    }

    /** Files that decide bytes, besides an importance matrix. */
    List<Path> parameterFiles() {
        return tensorTypeFile == null ? List.of() : List.of(tensorTypeFile);
    }

    /**
     * What was asked for and changes bytes, under the names that recipes use.
     *
     * @param options what these options have become
     */
    SequencedMap<String, String> recorded(QuantizationOptions options) {
        SequencedMap<String, String> recorded = options.recorded();
        overrides.forEach(override -> recorded.put("override_kv " + override.key(), override.text()));
        importance.record(recorded);
        return recorded;
    }

    /** Whether the user asked for anything that only llama-quantize's rules know. */
    boolean any() {
        return pure
                || method != Method.REFERENCE
                || leaveOutputTensor
                || outputTensorType != null
                || tokenEmbeddingType != null
                || !tensorTypes.isEmpty()
                || tensorTypeFile != null
                || importance.any()
                || !prunedLayers.isEmpty()
                || !overrides.isEmpty();
    }

    private static List<MixOptions.TypeOverride> readTypes(Path file) {
        List<MixOptions.TypeOverride> types = new ArrayList<>();
        try {
            for (String word : Files.readString(file).split("\\s+")) {
                if (!word.isEmpty()) {
                    types.add(new TensorTypes().convert(word));
                }
            }
        } catch (IOException e) {
            throw InputException.of(file, "cannot be read: " + e.getMessage()).withCause(e);
        } catch (TypeConversionException e) {
            throw InputException.of(file, String.valueOf(e.getMessage())).withCause(e);
        }
        return types;
    }

    /** A file type by name, alias or number, as llama-quantize takes it. */
    static Optional<FileType> fileType(String text) {
        Optional<FileType> named = FileType.fromName(text);
        return named.isPresent() || !text.matches("\\d{1,4}") ? named : FileType.fromId(Long.parseLong(text));
    }

    static String names() {
        return String.join(
                ", ", Arrays.stream(FileType.values()).map(Enum::name).toList());
    }

    static final class QuantTypes implements ITypeConverter<QuantType> {
        @Override
        public QuantType convert(String text) {
            return QuantType.fromName(text)
                    .filter(Codecs::canQuantize)
                    .orElseThrow(() ->
                            new TypeConversionException("expected a tensor type such as Q6_K, found '" + text + "'"));
        }
    }

    static final class Methods implements ITypeConverter<Method> {
        @Override
        public Method convert(String text) {
            try {
                return Method.valueOf(text.toUpperCase(Locale.ROOT));
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException("expected reference, search or compensated, found '" + text + "'");
            }
        }
    }

    static final class TensorTypes implements ITypeConverter<MixOptions.TypeOverride> {
        @Override
        public MixOptions.TypeOverride convert(String text) {
            int equals = text.indexOf('=');
            if (equals <= 0) {
                throw new TypeConversionException("expected REGEX=TYPE, found '" + text + "'");
            }
            try {
                // The reference lower-cases the pattern: tensor names are lower case.
                return new MixOptions.TypeOverride(
                        Pattern.compile(text.substring(0, equals).toLowerCase(Locale.ROOT)),
                        new QuantTypes().convert(text.substring(equals + 1)));
            } catch (PatternSyntaxException e) {
                throw new TypeConversionException(
                        "not a regular expression: " + e.getDescription() + " in '" + text + "'");
            }
        }
    }

    static final class KeyValues implements ITypeConverter<KeyValue> {
        @Override
        public KeyValue convert(String text) {
            int equals = text.indexOf('=');
            int colon = text.indexOf(':', equals + 1);
            if (equals <= 0 || colon < 0) {
                throw new TypeConversionException("expected KEY=KIND:VALUE, found '" + text + "'");
            }
            String value = text.substring(colon + 1);
            try {
                return new KeyValue(
                        text.substring(0, equals),
                        switch (text.substring(equals + 1, colon)) {
                            // Integers are stored unsigned, whatever their sign (llama.cpp PR 14182).
                            case "int" -> GgufValue.u32(Math.abs(Long.parseLong(value)) & 0xffff_ffffL);
                            case "float" -> GgufValue.f32((float) Double.parseDouble(value));
                            case "bool" -> GgufValue.bool(bool(value));
                            case "str" -> string(value);
                            default ->
                                throw new TypeConversionException(
                                        "expected int, float, bool or str after '=', found '" + text + "'");
                        },
                        text.substring(equals + 1));
            } catch (NumberFormatException e) {
                throw new TypeConversionException("expected a number, found '" + value + "'");
            }
        }

        private static boolean bool(String value) {
            return switch (value) {
                case "true" -> true;
                case "false" -> false;
                default -> throw new TypeConversionException("expected true or false, found '" + value + "'");
            };
        }

        private static GgufValue string(String value) {
            if (value.getBytes(java.nio.charset.StandardCharsets.UTF_8).length > ImportanceKeys.LONGEST_OVERRIDE) {
                throw new TypeConversionException("expected at most " + ImportanceKeys.LONGEST_OVERRIDE
                        + " bytes of text, found '" + value + "'");
            }
            return GgufValue.text(value);
        }
    }
}
