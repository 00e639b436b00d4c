package dev.quern.pipeline;

import dev.quern.concurrent.Workers;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.FileIdentity;
import dev.quern.io.Sha256;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.stream.IntStream;

/**
 * What an output was made of and how, as its {@code quern.*} keys say it. Nothing of when, where and by whom: equal
 * inputs, options and version give equal keys on any machine.
 *
 * @param tool Quern's version
 * @param sources every file that decides values, metadata or vocabulary, by name
 * @param options what the user asked for and what changes bytes; the type among them
 * @param importance the importance matrix, where one was given
 * @param calibration the text that an importance matrix was collected from for this output
 */
public record Provenance(
        String tool,
        List<Digested> sources,
        SequencedMap<String, String> options,
        Optional<Digested> importance,
        Optional<Digested> calibration) {
    /** What every key here begins with. */
    public static final String PREFIX = "quern.";

    /** llama-quantize's own, which hold paths as they were typed. */
    private static final List<String> PATHS = List.of("quantize.imatrix.file", "quantize.imatrix.dataset");

    public Provenance {
        sources = List.copyOf(sources);
        options = java.util.Collections.unmodifiableSequencedMap(new LinkedHashMap<>(options));
    }

    /**
     * A file's contents.
     *
     * @param name without its directory
     * @param sha256 64 hexadecimal digits
     */
    public record Digested(String name, long bytes, String sha256) {
        /** In the order of keys and statements, whatever the directories are called. */
        public static final Comparator<Digested> ORDER =
                Comparator.comparing(Digested::name).thenComparing(Digested::sha256);

        /** For a plan, whose size does not depend on the digits. */
        static Digested unread(Path file) {
            return new Digested(
                    String.valueOf(file.getFileName()), FileIdentity.of(file).size(), "0".repeat(64));
        }
    }

    /**
     * Reads files whole, several at once.
     *
     * @throws dev.quern.io.InputException when one cannot be read
     */
    public static List<Digested> digest(List<Path> files, int threads, Progress progress) {
        AtomicReferenceArray<Digested> digested = new AtomicReferenceArray<>(files.size());
        progress.begin(
                "hashing the source",
                files.stream().mapToLong(file -> FileIdentity.of(file).size()).sum());
        try (Workers workers = new Workers(threads, "hashes")) {
            workers.each(files.size(), (index, worker) -> {
                Path file = files.get(index);
                String sha256 = Sha256.ofFile(file, progress::advance);
                digested.set(
                        index,
                        new Digested(
                                String.valueOf(file.getFileName()),
                                FileIdentity.of(file).size(),
                                sha256));
            });
        } finally {
            progress.end();
        }
        return IntStream.range(0, files.size()).mapToObj(digested::get).toList();
    }

    /** As {@link #digest}, without reading: for a plan, whose size is the same whatever the digits are. */
    public static List<Digested> unread(List<Path> files) {
        return files.stream().map(Digested::unread).toList();
    }

    /** The keys, in their order. */
    public SequencedMap<String, GgufValue> keys() {
        LinkedHashMap<String, GgufValue> keys = new LinkedHashMap<>();
        keys.put(PREFIX + "version", GgufValue.text(tool));
        keys.put(
                PREFIX + "options",
                GgufValue.texts(options.entrySet().stream()
                        .map(option -> option.getKey() + "=" + option.getValue())
                        .toList()));
        keys.put(
                PREFIX + "source.files",
                GgufValue.texts(sources.stream().map(Digested::name).toList()));
        keys.put(
                PREFIX + "source.sha256",
                GgufValue.texts(sources.stream().map(Digested::sha256).toList()));
        importance.ifPresent(file -> put(keys, "imatrix", file));
        calibration.ifPresent(file -> put(keys, "calibration", file));
        return keys;
    }

    /** The options that a file says it was made with, as {@code name=value}; none where it says nothing. */
    public static List<String> options(GgufMetadata metadata) {
        return metadata.get(PREFIX + "options")
                .filter(GgufValue.Texts.class::isInstance)
                .map(value -> Arrays.stream(((GgufValue.Texts) value).values())
                        .map(text -> new String(text, StandardCharsets.UTF_8))
                        .toList())
                .orElse(List.of());
    }

    private static void put(SequencedMap<String, GgufValue> keys, String what, Digested file) {
        keys.put(PREFIX + what + ".file", GgufValue.text(file.name()));
        keys.put(PREFIX + what + ".sha256", GgufValue.text(file.sha256()));
    }

    /**
     * The plan with these keys at its end, in the place of those that a source brought along; where llama-quantize keeps
     * paths, the names alone. A part of a split model behind the first stays as it is: it has no metadata.
     */
    public OutputPlan into(OutputPlan plan) {
        if (plan.metadata().integer("split.no").orElse(0) > 0) {
            return plan;
        }
        GgufMetadata metadata = new GgufMetadata(plan.metadata());
        plan.metadata().asMap().keySet().stream()
                .filter(key -> key.startsWith(PREFIX))
                .forEach(metadata::remove);
        for (String key : PATHS) {
            metadata.text(key).ifPresent(path -> metadata.put(key, GgufValue.text(lastName(path))));
        }
        keys().forEach(metadata::put);
        return new OutputPlan(plan.type(), metadata, plan.tensors());
    }

    /** Behind the last slash of either kind: the file may have been made on another system. */
    private static String lastName(String path) {
        return path.substring(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
    }
}
