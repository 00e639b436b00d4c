package dev.quern.checkpoint.ggml;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * A LLaMA in one file of llama.cpp before GGUF: seven hyperparameters, the vocabulary, then the tensors to the end, each
 * with its header before its data. There are no counts of tensors, no offsets and no checksums, so everything that a
 * length claims is held against the bytes that are left.
 */
public final class GgmlFile {
    private static final int MAX_TOKENS = 1 << 20;
    private static final int MAX_TOKEN_BYTES = 65_536;
    private static final int MAX_TENSORS = 200_000;
    private static final int MAX_NAME_BYTES = 255;
    private static final int MAX_RANK = 4;
    private static final int ALIGNMENT = 32;

    /**
     * As the file has them, none checked.
     *
     * @param multiple what the feed-forward width was rounded up to
     * @param rotated dimensions of a head that are rotated
     * @param fileType llama_ftype, the same numbers as GGUF's general.file_type
     */
    public record Hyperparameters(
            long vocabulary, long width, long multiple, long heads, long layers, long rotated, long fileType) {}

    private final MappedFile file;
    private final Region bytes;
    private final GgmlVersion version;
    private final Hyperparameters hyperparameters;
    private final byte[][] tokens;
    private final float[] scores;
    private final SequencedMap<String, TensorSource> tensors = new LinkedHashMap<>();
    private long at;

    private GgmlFile(MappedFile file) {
        this.file = file;
        this.bytes = file.region();
        this.version = GgmlVersion.of(bytes);
        this.at = version.headerBytes();
        this.hyperparameters = new Hyperparameters(
                number("hyperparameters"),
                number("hyperparameters"),
                number("hyperparameters"),
                number("hyperparameters"),
                number("hyperparameters"),
                number("hyperparameters"),
                number("hyperparameters"));
        int count = tokenCount();
        this.tokens = new byte[count][];
        this.scores = new float[version.hasScores() ? count : 0];
        readTokens();
        while (at < bytes.length()) {
            readTensor();
        }
        if (tensors.isEmpty()) {
            throw refused("header", "holds no tensors").withHint("the download may be truncated");
        }
    }

    /** Reads every header; of the weights only some scales, where they tell how a Q4_1 tensor is arranged. */
    public static GgmlFile read(MappedFile file) {
        return new GgmlFile(file);
    }

    public GgmlVersion version() {
        return version;
    }

    public Hyperparameters hyperparameters() {
        return hyperparameters;
    }

    /** Each token's bytes, by id, as the program of the time printed them. */
    public byte[][] tokens() {
        return tokens.clone();
    }

    /** Each token's score; empty in files without. */
    public Optional<float[]> scores() {
        return version.hasScores() ? Optional.of(scores.clone()) : Optional.empty();
    }

    /** By Meta's names, in the file's order. */
    public SequencedMap<String, TensorSource> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    private int tokenCount() {
        long count = hyperparameters.vocabulary();
        long least = version.hasScores() ? 8 : 4;
        if (count > MAX_TOKENS || count * least > bytes.length() - at) {
            throw refused(
                    "header",
                    "expected at most " + Math.min(MAX_TOKENS, (bytes.length() - at) / least) + " tokens, found "
                            + count);
        }
        return (int) count;
    }

    private void readTokens() {
        for (int id = 0; id < tokens.length; id++) {
            String where = "token " + id;
            tokens[id] = bytes(number(where), MAX_TOKEN_BYTES, where);
            if (version.hasScores()) {
                scores[id] = Float.intBitsToFloat((int) number(where));
                if (!Float.isFinite(scores[id])) {
                    throw refused(where, "has the score " + scores[id]);
                }
            }
        }
    }

    private void readTensor() {
        String where = "tensor " + tensors.size();
        long rank = number(where);
        long nameBytes = number(where);
        long type = number(where);
        if (rank < 1 || rank > MAX_RANK) {
            throw refused(where, "expected 1 to " + MAX_RANK + " dimensions, found " + rank);
        }
        // The file has the fastest dimension first.
        long[] dims = new long[(int) rank];
        for (int axis = dims.length - 1; axis >= 0; axis--) {
            dims[axis] = number(where);
        }
        String name = text(bytes(nameBytes, MAX_NAME_BYTES, where), where);
        where = "tensor " + Quoted.of(name);
        if (version.isAligned()) {
            at = (at + ALIGNMENT - 1) & -ALIGNMENT;
        }
        GgmlTensorType tensorType = GgmlTensorType.of(type, version)
                .orElseThrow(() -> refused(
                        "tensor " + Quoted.of(name),
                        "is of type " + type + ", which " + version + " files do not have"));
        Shape shape = shape(dims, where);
        if (shape.rowLength() % tensorType.blockLength() != 0) {
            throw refused(
                    where,
                    "expected rows of whole " + tensorType + " blocks of " + tensorType.blockLength()
                            + ", found rows of " + shape.rowLength());
        }
        // 2^32-1 is the largest dimension, so products of blocks and bytes may still overflow.
        long length;
        try {
            length = Math.multiplyExact(shape.elements() / tensorType.blockLength(), tensorType.blockBytes());
        } catch (ArithmeticException e) {
            throw refused(where, "has more than 2^63-1 bytes").withCause(e);
        }
        if (at > bytes.length() || length > bytes.length() - at) {
            throw refused(
                            where,
                            "expected " + length + " bytes for " + tensorType + " " + shape + ", "
                                    + Math.max(0, bytes.length() - at) + " are left")
                    .withHint("the download may be truncated");
        }
        TensorSource source = tensorType.source(name, shape, bytes.slice(at, length));
        if (tensors.putIfAbsent(name, source) != null) {
            throw refused(where, "comes twice");
        }
        if (tensors.size() > MAX_TENSORS) {
            throw refused("header", "holds more than " + MAX_TENSORS + " tensors");
        }
        at += length;
    }

    private Shape shape(long[] dims, String where) {
        try {
            return Shape.of(dims);
        } catch (IllegalArgumentException e) {
            throw refused(where, "has more than 2^63-1 elements").withCause(e);
        }
    }

    private long number(String where) {
        if (bytes.length() - at < Integer.BYTES) {
            throw refused(where, "the file ends at byte " + bytes.length()).withHint("the download may be truncated");
        }
        long value = bytes.u32(at);
        at += Integer.BYTES;
        return value;
    }

    private byte[] bytes(long count, int most, String where) {
        if (count > most || count > bytes.length() - at) {
            throw refused(
                    where,
                    "expected a text of at most " + Math.min(most, bytes.length() - at) + " bytes, found " + count);
        }
        byte[] found = bytes.bytes(at, (int) count);
        at += count;
        return found;
    }

    private String text(byte[] utf8, String where) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
        } catch (CharacterCodingException e) {
            throw refused(where, "has a name that is not valid UTF-8").withCause(e);
        }
    }

    private InputException refused(String where, String problem) {
        return InputException.of(file.path(), where, problem);
    }
}
