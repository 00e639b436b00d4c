package dev.quern.gguf;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.SequencedMap;

/**
 * A whole model in GGUF: one file, or all the parts of a split one, whichever part was named. Metadata is the first
 * part's, as llama.cpp has it; the tensors are those of all parts.
 */
public final class GgufModel implements AutoCloseable {
    private final List<GgufFile> parts;
    private final SequencedMap<String, GgufTensor> tensors;

    private GgufModel(List<GgufFile> parts, SequencedMap<String, GgufTensor> tensors) {
        this.parts = List.copyOf(parts);
        this.tensors = tensors;
    }

    /** @throws InputException for a file that is no sound GGUF, and for parts that are not all of one model */
    public static GgufModel open(Path path) {
        List<GgufFile> opened = new ArrayList<>();
        try {
            opened.add(GgufFile.openPart(path));
            if (count(opened.getFirst()) > 1) {
                openOthers(opened);
            }
            return new GgufModel(opened, merged(opened));
        } catch (RuntimeException e) {
            opened.forEach(GgufFile::close);
            throw e;
        }
    }

    /**
     * A model whose parts are not called what parts are called: while they are being written, say.
     *
     * @param paths all parts, in order; a single one for a model in one file
     * @throws InputException as {@link #open(Path)}
     */
    public static GgufModel open(List<Path> paths) {
        List<GgufFile> opened = new ArrayList<>();
        try {
            for (int i = 0; i < paths.size(); i++) {
                opened.add(
                        paths.size() == 1
                                ? GgufFile.openPart(paths.getFirst())
                                : openPart(paths.getFirst(), paths.get(i), i, paths.size()));
            }
            if (opened.size() > 1) {
                checkTensorCount(opened);
            }
            return new GgufModel(opened, merged(opened));
        } catch (RuntimeException e) {
            opened.forEach(GgufFile::close);
            throw e;
        }
    }

    /** From the one part that is open to all of them, in order. */
    private static void openOthers(List<GgufFile> opened) {
        GgufFile named = opened.getFirst();
        Path path = named.file().path();
        int count = (int) count(named);
        int index = (int) index(named);
        SplitName name = SplitName.of(path)
                .orElseThrow(() -> InputException.expected(
                                path,
                                "name of part " + (index + 1) + " of " + count,
                                Quoted.of(SplitName.format("NAME", index, count)),
                                Quoted.of(String.valueOf(path.getFileName())))
                        .withHint("the other parts are found by the name; give all parts the names they had"));
        if (name.index() != index || name.count() != count) {
            throw InputException.expected(
                            path,
                            "name of part " + (index + 1) + " of " + count,
                            Quoted.of(SplitName.format(name.prefix(), index, count)),
                            Quoted.of(String.valueOf(path.getFileName())))
                    .withHint("the other parts are found by the name; give all parts the names they had");
        }
        for (int i = 0; i < count; i++) {
            if (i != index) {
                // The part that was open moves up as those before it come in.
                opened.add(i, openPart(path, name.sibling(path, i), i, count));
            }
        }
        checkTensorCount(opened);
    }

    private static GgufFile openPart(Path named, Path path, int index, int count) {
        if (!Files.exists(path)) {
            throw InputException.of(
                            path, "part " + (index + 1) + " of " + count + " of " + named.getFileName() + " is missing")
                    .withHint("all parts of a split model belong into one directory");
        }
        GgufFile part = GgufFile.openPart(path);
        try {
            if (count(part) != count) {
                throw InputException.expected(path, "key \"split.count\"", count, count(part));
            }
            if (index(part) != index) {
                throw InputException.expected(path, "key \"split.no\"", index, index(part));
            }
            return part;
        } catch (RuntimeException e) {
            part.close();
            throw e;
        }
    }

    private static void checkTensorCount(List<GgufFile> parts) {
        long found = parts.stream().mapToLong(part -> part.tensors().size()).sum();
        for (GgufFile part : parts) {
            OptionalLong expected = part.metadata().integer("split.tensors.count");
            // The first part must have it (llama-model-loader.cpp asks there alone); others must not contradict.
            boolean missing = expected.isEmpty() && part == parts.getFirst();
            if (missing || expected.orElse(found) != found) {
                throw InputException.expected(
                                part.file().path(),
                                "key \"split.tensors.count\"",
                                found + " (the tensors of all parts)",
                                expected.isEmpty() ? "none" : expected.getAsLong())
                        .withHint("the parts are not all of one model, or one of them is damaged");
            }
        }
    }

    /** {@code split.count}; 0 where a file says nothing. */
    private static long count(GgufFile file) {
        return within(
                file, "split.count", file.metadata().integer("split.count").orElse(0), 0, SplitName.MOST_PARTS);
    }

    private static long index(GgufFile file) {
        return within(
                file, "split.no", file.metadata().integer("split.no").orElse(-1), 0, Math.max(0, count(file) - 1));
    }

    private static long within(GgufFile file, String key, long value, long least, long most) {
        if (value < least || value > most) {
            throw InputException.expected(
                    file.file().path(),
                    "key " + Quoted.of(key),
                    "a number from " + least + " to " + most,
                    file.metadata().get(key).isEmpty() ? "none" : value);
        }
        return value;
    }

    private static SequencedMap<String, GgufTensor> merged(List<GgufFile> parts) {
        SequencedMap<String, GgufTensor> tensors = new LinkedHashMap<>();
        Map<String, GgufFile> homes = new HashMap<>();
        for (GgufFile part : parts) {
            part.tensors().forEach((name, tensor) -> {
                GgufFile first = homes.putIfAbsent(name, part);
                if (first != null) {
                    throw InputException.of(
                            part.file().path(),
                            "tensor " + Quoted.of(name),
                            "is in " + first.file().path().getFileName() + " too");
                }
                tensors.put(name, tensor);
            });
        }
        return java.util.Collections.unmodifiableSequencedMap(tensors);
    }

    /** At least one, in order. */
    public List<GgufFile> parts() {
        return parts;
    }

    public GgufMetadata metadata() {
        return parts.getFirst().metadata();
    }

    /** Of all parts, in the files' order. */
    public SequencedMap<String, GgufTensor> tensors() {
        return tensors;
    }

    /** For each part, the names of its tensors in the order of their bytes. */
    public List<List<String>> names() {
        return parts.stream()
                .map(part -> part.tensors().values().stream()
                        .sorted(Comparator.comparingLong(GgufTensor::offset))
                        .map(GgufTensor::name)
                        .toList())
                .toList();
    }

    /** As {@link GgufFile#graph}, of all parts. */
    public TensorGraph graph() {
        if (parts.size() == 1) {
            return parts.getFirst().graph();
        }
        TensorGraph graph = new TensorGraph();
        for (GgufFile part : parts) {
            for (TensorSource tensor : part.graph().sources()) {
                graph.add(tensor);
            }
        }
        return graph;
    }

    public List<MappedFile> files() {
        return parts.stream().map(GgufFile::file).toList();
    }

    @Override
    public void close() {
        parts.forEach(GgufFile::close);
    }
}
