package dev.quern.gguf;

import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Every byte's place in a GGUF v3 little-endian file, before one is written: header, zeros up to the alignment, then
 * each tensor in order with zeros up to the alignment behind it, behind the last one too (as gguf-py and
 * {@code gguf_write_to_file} do). A file without tensors ends where its header ends, as gguf-py's vocabulary files do,
 * unless it is a part of a split model, which is padded as all its parts are.
 */
public final class GgufLayout {
    /** A tensor to be placed; dimensions outermost first. */
    public record Entry(String name, QuantType type, Shape shape) {}

    private final GgufMetadata metadata;
    private final int dataStart;
    private final int alignment;
    private final long fileSize;
    private final SequencedMap<String, GgufTensor> tensors;

    /** The header, once somebody has asked for it: a vocabulary of 128k tokens takes megabytes to encode again. */
    private byte @Nullable [] encoded;

    private GgufLayout(
            GgufMetadata metadata,
            int dataStart,
            int alignment,
            long fileSize,
            SequencedMap<String, GgufTensor> tensors) {
        this.metadata = metadata;
        this.dataStart = dataStart;
        this.alignment = alignment;
        this.fileSize = fileSize;
        this.tensors = Collections.unmodifiableSequencedMap(tensors);
    }

    /**
     * @param metadata copied; {@code general.alignment} in it is obeyed
     * @throws IllegalArgumentException for what no GGUF reader would take: a name twice, of no or more than 63 bytes,
     *     more than four dimensions, rows that are not whole blocks, a value or file too large
     */
    public static GgufLayout plan(GgufMetadata metadata, List<Entry> entries) {
        int alignment = alignment(metadata);
        LinkedHashMap<String, GgufTensor> tensors = new LinkedHashMap<>();
        try {
            long offset = 0;
            for (Entry entry : entries) {
                check(entry);
                long bytes = GgufLimits.tensorBytes(entry.type(), entry.shape());
                GgufTensor tensor = new GgufTensor(entry.name(), entry.type(), entry.shape(), offset, bytes);
                if (tensors.putIfAbsent(entry.name(), tensor) != null) {
                    throw new IllegalArgumentException("two tensors are called " + entry.name());
                }
                offset = GgufLimits.pad(Math.addExact(offset, bytes), alignment);
            }
            int dataStart = dataStart(metadata, new ArrayList<>(tensors.values()), alignment);
            return new GgufLayout(
                    new GgufMetadata(metadata), dataStart, alignment, Math.addExact(dataStart, offset), tensors);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("the file would be larger than 2^63-1 bytes", e);
        }
    }

    private static int alignment(GgufMetadata metadata) {
        if (metadata.get(GgufLimits.ALIGNMENT_KEY).isEmpty()) {
            return GgufLimits.DEFAULT_ALIGNMENT;
        }
        if (metadata.get(GgufLimits.ALIGNMENT_KEY).get() instanceof GgufValue.Int(GgufType type, long value)
                && type == GgufType.UINT32
                && GgufLimits.isAlignment(value)) {
            return (int) value;
        }
        throw new IllegalArgumentException(
                GgufLimits.ALIGNMENT_KEY + " is not a UINT32 power of two up to " + GgufLimits.MAX_ALIGNMENT + ": "
                        + metadata.get(GgufLimits.ALIGNMENT_KEY).get());
    }

    private static void check(Entry entry) {
        byte[] name = entry.name().getBytes(StandardCharsets.UTF_8);
        if (name.length == 0
                || name.length > GgufLimits.MAX_NAME_BYTES
                || entry.name().indexOf('\0') >= 0) {
            throw new IllegalArgumentException("a tensor's name has 1 to " + GgufLimits.MAX_NAME_BYTES
                    + " bytes, none of them zero: " + entry.name());
        }
        if (entry.shape().rank() > GgufLimits.MAX_DIMS) {
            throw new IllegalArgumentException(
                    entry.name() + " has more than " + GgufLimits.MAX_DIMS + " dimensions: " + entry.shape());
        }
        if (entry.shape().rowLength() % entry.type().blockLength() != 0) {
            throw new IllegalArgumentException(entry.name() + " has rows of "
                    + entry.shape().rowLength() + ", not whole " + entry.type() + " blocks of "
                    + entry.type().blockLength());
        }
    }

    private static int dataStart(GgufMetadata metadata, List<GgufTensor> tensors, int alignment) {
        long length = GgufEncoding.headerBytes(metadata, tensors);
        boolean vocabulary = tensors.isEmpty() && metadata.get("split.count").isEmpty();
        return Math.toIntExact(vocabulary ? length : GgufLimits.pad(length, alignment));
    }

    /** The file's first {@link #dataStart} bytes, padding included. A new buffer, ready to be written. */
    public synchronized ByteBuffer header() {
        byte[] header = encoded;
        if (header == null) {
            header = new byte[dataStart];
            GgufEncoding.putHeader(ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN), metadata, tensors());
            encoded = header;
        }
        return ByteBuffer.wrap(header).asReadOnlyBuffer();
    }

    /** Where the data section begins: bytes from the start of the file, a multiple of the alignment. */
    public long dataStart() {
        return dataStart;
    }

    public long fileSize() {
        return fileSize;
    }

    /** Bytes of a tensor with the zeros that align the next one. */
    public long padded(long bytes) {
        return GgufLimits.pad(bytes, alignment);
    }

    public int alignment() {
        return alignment;
    }

    public List<GgufTensor> tensors() {
        return List.copyOf(tensors.values());
    }

    /** Where a tensor's first byte stands in the file. */
    public long position(GgufTensor tensor) {
        if (!tensor.equals(tensors.get(tensor.name()))) {
            throw new IllegalArgumentException(tensor.name() + " is not of this layout");
        }
        return dataStart + tensor.offset();
    }
}
