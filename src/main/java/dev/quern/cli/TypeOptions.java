package dev.quern.cli;

import dev.quern.pipeline.Quantization;
import dev.quern.quantization.FileType;
import dev.quern.quantization.MixOptions;
import dev.quern.quantization.QuantType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Which tensor gets which type; the options are llama-quantize's. */
final class TypeOptions {
    @Option(names = "--pure", description = "One type for all tensors that can be quantized, without the mix's exceptions.")
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
            converter = Overrides.class,
            description = "The type of tensors whose name contains a match; repeatable, the first match decides.")
    List<MixOptions.TypeOverride> overrides = new ArrayList<>();

    @Option(names = "--allow-requantize", description = "Quantize tensors that are quantized already; it costs quality.")
    boolean allowRequantize;

    Quantization.Options options() {
        return new Quantization.Options(
                new MixOptions(
                        pure,
                        leaveOutputTensor,
                        Optional.ofNullable(outputTensorType),
                        Optional.ofNullable(tokenEmbeddingType),
                        overrides),
                allowRequantize,
                false);
    }

    /** Whether the user asked for anything that only llama-quantize's rules know. */
    boolean any() {
        return pure || leaveOutputTensor || outputTensorType != null || tokenEmbeddingType != null || !overrides.isEmpty();
    }

    /** A file type by name, alias or number, as llama-quantize takes it. */
    static Optional<FileType> fileType(String text) {
        Optional<FileType> named = FileType.fromName(text);
        return named.isPresent() || !text.matches("\\d{1,4}") ? named : FileType.fromId(Long.parseLong(text));
    }

    static final class FileTypes implements ITypeConverter<FileType> {
        @Override
        public FileType convert(String text) {
            return fileType(text).orElseThrow(() -> new TypeConversionException(
                    "expected one of " + names() + ", found '" + text + "'"));
        }
    }

    static String names() {
        return String.join(
                ", ", java.util.Arrays.stream(FileType.values()).map(Enum::name).toList());
    }

    static final class QuantTypes implements ITypeConverter<QuantType> {
        @Override
        public QuantType convert(String text) {
            return QuantType.fromName(text)
                    .orElseThrow(() -> new TypeConversionException("expected a tensor type such as Q6_K, found '" + text + "'"));
        }
    }

    static final class Overrides implements ITypeConverter<MixOptions.TypeOverride> {
        @Override
        public MixOptions.TypeOverride convert(String text) {
            int equals = text.lastIndexOf('=');
            if (equals <= 0) {
                throw new TypeConversionException("expected REGEX=TYPE, found '" + text + "'");
            }
            try {
                // The reference lower-cases the pattern: tensor names are lower case.
                return new MixOptions.TypeOverride(
                        Pattern.compile(text.substring(0, equals).toLowerCase(Locale.ROOT)),
                        new QuantTypes().convert(text.substring(equals + 1)));
            } catch (PatternSyntaxException e) {
                throw new TypeConversionException("not a regular expression: " + e.getDescription() + " in '" + text + "'");
            }
        }
    }
}
