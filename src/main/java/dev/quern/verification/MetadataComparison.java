package dev.quern.verification;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.Quoted;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Metadata of a file against what its source would give. */
final class MetadataComparison {
    private static final int SHOWN_TEXT = 60;

    /** What quantization itself writes, or what says how the file is stored and not what it holds. */
    private static final Set<String> OWN = Set.of(
            "general.file_type",
            "general.quantization_version",
            "general.alignment",
            "split.no",
            "split.count",
            "split.tensors.count");

    private static final List<String> OWN_PREFIXES = List.of("quantize.imatrix.", "quern.");

    private MetadataComparison() {}

    /**
     * What a runner computes with (the architecture's keys, the tokenizer) must agree; a title or an author may differ.
     *
     * @param differences receives what must not be
     * @param notes receives what may be
     */
    static void compare(GgufMetadata file, GgufMetadata source, List<String> differences, List<String> notes) {
        if (!file.architecture().equals(source.architecture())) {
            differences.add("key \"general.architecture\": expected " + Quoted.of(source.architecture()) + ", found "
                    + Quoted.of(file.architecture()));
        }
        Set<String> keys = new LinkedHashSet<>(source.asMap().keySet());
        keys.addAll(file.asMap().keySet());
        for (String key : keys) {
            if (OWN.contains(key) || OWN_PREFIXES.stream().anyMatch(key::startsWith)) {
                continue;
            }
            Optional<GgufValue> expected = source.get(key);
            Optional<GgufValue> found = file.get(key);
            if (expected.equals(found) || key.equals("general.architecture")) {
                continue;
            }
            String line = "key " + Quoted.of(key) + ": " + difference(expected, found);
            (key.startsWith("general.") ? notes : differences).add(line);
        }
    }

    private static String difference(Optional<GgufValue> expected, Optional<GgufValue> found) {
        if (expected.isEmpty()) {
            return "is not what the source gives: found " + shown(found.orElseThrow());
        }
        if (found.isEmpty()) {
            return "is missing: expected " + shown(expected.get());
        }
        if (expected.get() instanceof GgufValue.Array wanted
                && found.get() instanceof GgufValue.Array is
                && wanted.getClass() == is.getClass()) {
            if (wanted.size() != is.size()) {
                return "expected " + wanted.size() + " elements, found " + is.size();
            }
            for (int i = 0; i < wanted.size(); i++) {
                if (!element(wanted, i).equals(element(is, i))) {
                    return "element " + i + ": expected " + element(wanted, i) + ", found " + element(is, i);
                }
            }
        }
        return "expected " + shown(expected.get()) + ", found " + shown(found.get());
    }

    private static String element(GgufValue.Array array, int index) {
        return switch (array) {
            case GgufValue.Ints ints -> Long.toString(ints.values()[index]);
            case GgufValue.Floats floats -> Float.toString(floats.values()[index]);
            case GgufValue.Doubles doubles -> Double.toString(doubles.values()[index]);
            case GgufValue.Texts texts -> cut(Quoted.of(texts.text(index)));
        };
    }

    private static String shown(GgufValue value) {
        return switch (value) {
            case GgufValue.Int number -> number.value() + " (" + number.type() + ")";
            case GgufValue.Real number -> number.value() + " (" + number.type() + ")";
            case GgufValue.Bool bool -> Boolean.toString(bool.value());
            case GgufValue.Text text -> cut(Quoted.of(text.text()));
            case GgufValue.Ints ints -> cut(Arrays.toString(ints.values()));
            case GgufValue.Floats floats -> cut(Arrays.toString(floats.values()));
            case GgufValue.Doubles doubles -> cut(Arrays.toString(doubles.values()));
            case GgufValue.Texts texts -> texts.size() + " texts";
        };
    }

    private static String cut(String text) {
        return text.length() <= SHOWN_TEXT ? text : text.substring(0, SHOWN_TEXT) + "…";
    }
}
