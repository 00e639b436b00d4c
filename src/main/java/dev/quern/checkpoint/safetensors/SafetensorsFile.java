package dev.quern.checkpoint.safetensors;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * One safetensors file: an 8-byte header length, a JSON header, then the tensors without holes or overlaps to the last
 * byte. At least as strict as the reference library (huggingface/safetensors 0.8); unlike it, a name that comes twice
 * is refused.
 */
public final class SafetensorsFile {
    /** The reference library's MAX_HEADER_SIZE. */
    static final long MAX_HEADER = 100_000_000;

    private final SequencedMap<String, TensorSource> tensors = new TreeMap<>();
    private final SequencedMap<String, String> unreadable = new TreeMap<>();

    private SafetensorsFile() {}

    /** Reads and checks the header; no weight is touched. */
    public static SafetensorsFile read(MappedFile file) {
        Region header = header(file);
        List<HeaderEntry> entries = new HeaderReader(file.path(), header).read();
        long data = 8 + header.length();
        checkLayout(file, entries, file.size() - data);
        SafetensorsFile result = new SafetensorsFile();
        for (HeaderEntry entry : entries) {
            result.add(entry, file.region().slice(data + entry.begin(), entry.end() - entry.begin()));
        }
        return result;
    }

    /** Whether the file begins as safetensors files do: a length that fits, and an opening brace where the header is. */
    public static boolean looksLike(MappedFile file) {
        if (file.size() < 10) {
            return false;
        }
        long length = file.region().i64(0);
        int first = file.region().u8(8);
        return length >= 2 && length <= MAX_HEADER && (first == '{' || first == ' ');
    }

    /** Tensors by name, in plain string order. */
    public SequencedMap<String, TensorSource> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    /** Tensors of types that no float can stand for one by one: name to the type's own name. */
    public SequencedMap<String, String> unreadable() {
        return Collections.unmodifiableSequencedMap(unreadable);
    }

    private static Region header(MappedFile file) {
        if (file.size() < 8) {
            throw InputException.of(
                    file.path(), "expected the 8 bytes of a safetensors header length, found " + file.size());
        }
        long length = file.region().i64(0);
        if (length < 0 || length > MAX_HEADER) {
            throw InputException.of(
                    file.path(),
                    "header length: expected at most " + MAX_HEADER + ", found " + Long.toUnsignedString(length));
        }
        if (length > file.size() - 8) {
            throw InputException.of(
                            file.path(),
                            "header length: expected at most the " + (file.size() - 8) + " bytes left, found " + length)
                    .withHint("the download may be truncated");
        }
        return file.region().slice(8, length);
    }

    /** Every byte of the data belongs to one tensor: no hole and no overlap in which something could hide. */
    private static void checkLayout(MappedFile file, List<HeaderEntry> entries, long dataBytes) {
        List<HeaderEntry> byPlace = entries.stream()
                .sorted(Comparator.comparingLong(HeaderEntry::begin).thenComparingLong(HeaderEntry::end))
                .toList();
        long declared = byPlace.stream().mapToLong(HeaderEntry::end).max().orElse(0);
        if (declared > dataBytes) {
            throw InputException.of(
                            file.path(),
                            "expected " + declared + " bytes of weights after the header, found " + dataBytes)
                    .withHint("the download may be truncated");
        }
        long next = 0;
        for (HeaderEntry entry : byPlace) {
            if (entry.begin() != next) {
                throw entry.refused(
                        file.path(),
                        "data_offsets begin at " + entry.begin() + " where the tensors before end at " + next
                                + (entry.begin() < next ? " (an overlap)" : " (a hole)"));
            }
            next = entry.end();
        }
        if (next != dataBytes) {
            throw InputException.of(file.path(), (dataBytes - next) + " bytes after the last tensor belong to none");
        }
    }

    private void add(HeaderEntry entry, Region bytes) {
        entry.type()
                .dtype()
                .ifPresentOrElse(
                        dtype -> tensors.put(
                                entry.name(),
                                new Stored(new TensorInfo(entry.name(), dtype, Shape.of(entry.shape())), bytes)),
                        () -> unreadable.put(entry.name(), entry.type().name()));
    }

    /** One tensor as the header declares it, its size already checked against its shape. */
    record HeaderEntry(String name, SafetensorsType type, long[] shape, long begin, long end) {
        InputException refused(java.nio.file.Path file, String problem) {
            return InputException.of(file, "tensor " + Quoted.of(name), problem);
        }
    }
}
