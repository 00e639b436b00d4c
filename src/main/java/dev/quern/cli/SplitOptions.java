package dev.quern.cli;

import dev.quern.pipeline.Split;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Into how many files a model goes; convert_hf_to_gguf.py's options, and llama-quantize's --keep-split. */
final class SplitOptions {
    @Option(
            names = "--split-max-size",
            paramLabel = "N(K|M|G)",
            defaultValue = "0",
            converter = Bytes.class,
            description = "Write several files with at most so many bytes of tensors each, in powers of ten: "
                    + "OUT-00001-of-0000N.gguf and so on.")
    long maxSize;

    @Option(
            names = "--split-max-tensors",
            paramLabel = "N",
            defaultValue = "0",
            converter = Count.class,
            description = "Write several files with at most N tensors each.")
    int maxTensors;

    @Option(
            names = "--no-tensor-first-split",
            description = "When splitting, the first file has the metadata and no tensor.")
    boolean metadataFirst;

    @Option(names = "--keep-split", description = "Of a split GGUF: write as many files as it has.")
    boolean keepSplit;

    Split split() {
        return new Split(maxTensors, maxSize, metadataFirst);
    }

    /** Refuses what contradicts itself. */
    void check(CommandSpec spec, boolean vocabularyOnly) {
        boolean splits = !split().equals(Split.NONE);
        if (keepSplit && splits) {
            throw Quern.usage(
                    spec, "--keep-split keeps the parts there are; --split-max-size and the like make others");
        }
        if (vocabularyOnly && (splits || keepSplit)) {
            throw Quern.usage(spec, "--vocab-only writes no tensors; there is nothing to split");
        }
    }

    static final class Bytes implements ITypeConverter<Long> {
        private static final Pattern SIZE = Pattern.compile("(\\d{1,18})([KMG]?)");

        @Override
        public Long convert(String text) {
            Matcher matcher = SIZE.matcher(text.toUpperCase(Locale.ROOT));
            if (!matcher.matches()) {
                throw new TypeConversionException(
                        "expected a number of bytes such as 2G or 500M, found '" + text + "'");
            }
            long unit = switch (matcher.group(2)) {
                case "K" -> 1_000;
                case "M" -> 1_000_000;
                case "G" -> 1_000_000_000;
                default -> 1;
            };
            try {
                return Math.multiplyExact(Long.parseLong(matcher.group(1)), unit);
            } catch (ArithmeticException e) {
                throw new TypeConversionException("expected less than 2^63 bytes, found '" + text + "'");
            }
        }
    }

    static final class Count implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String text) {
            if (!text.matches("\\d{1,9}")) {
                throw new TypeConversionException("expected a number of tensors, found '" + text + "'");
            }
            return Integer.valueOf(text);
        }
    }
}
