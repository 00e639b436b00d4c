package dev.quern.gguf;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.DType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.RowDecoder;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;

/**
 * An opened GGUF file of version 2 or 3, of either byte order. Everything the header claims has been checked against the bytes
 * that are there; tensors are read through the mapping when somebody asks for rows. Thread-safe until closed.
 */
public final class GgufFile implements AutoCloseable {
    private static final byte[] MAGIC = {'G', 'G', 'U', 'F'};

    private final Region whole;
    private final GgufHeader header;
    private final List<String> warnings;

    private GgufFile(Region whole, GgufHeader header, List<String> warnings) {
        this.whole = whole;
        this.header = header;
        this.warnings = List.copyOf(warnings);
    }

    /** @throws InputException for a file that is no whole, sound GGUF file, in one line that says where */
    public static GgufFile open(Path path) {
        GgufFile opened = openPart(path);
        try {
            opened.refuseSplit();
            return opened;
        } catch (RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    /** As {@link #open}, and takes one part of a split model too. */
    public static GgufFile openPart(Path path) {
        MappedFile file = MappedFile.open(path);
        try {
            return read(file.region());
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** A GGUF file that takes up the whole of a region. */
    static GgufFile read(Region whole) {
        try {
            GgufHeader header = GgufHeader.read(whole);
            return new GgufFile(whole, header, check(whole, header));
        } catch (InternalError e) {
            // A page that is no longer there (measured on JDK 25); see dev.quern.tensor.Reading.
            throw InputException.of(whole.file().path(), "changed while it was being read")
                    .withHint("leave the file alone until the command has ended, and run it again")
                    .withCause(e);
        }
    }

    /** Whether a regular file begins with GGUF's magic bytes. */
    public static boolean isGguf(Path path) {
        if (!Files.isRegularFile(path)) {
            return false;
        }
        try (InputStream in = Files.newInputStream(path)) {
            return Arrays.equals(in.readNBytes(MAGIC.length), MAGIC);
        } catch (IOException e) {
            throw InputException.of(path, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }

    private static List<String> check(Region whole, GgufHeader header) {
        Path path = whole.file().path();
        for (GgufTensor tensor : header.tensors().values()) {
            long begin = header.dataStart() + tensor.offset();
            long end = begin + tensor.bytes();
            if (end < begin || end > whole.length()) {
                throw InputException.expected(
                                path,
                                "tensor " + Quoted.of(tensor.name()),
                                "bytes " + Long.toUnsignedString(begin) + " to " + Long.toUnsignedString(end),
                                "the end of the file at byte " + whole.length())
                        .withHint("the file is incomplete; get or make it again");
            }
        }
        List<String> warnings = new ArrayList<>();
        long end = header.dataStart() + header.dataBytes();
        if (whole.length() > end) {
            warnings.add(path + ": " + (whole.length() - end) + " bytes behind the last tensor, from byte " + end
                    + " on, belong to nothing");
        }
        warnAboutTokenIds(path, header.metadata(), warnings);
        return warnings;
    }

    private static void warnAboutTokenIds(Path path, GgufMetadata metadata, List<String> warnings) {
        if (!(metadata.get("tokenizer.ggml.tokens").orElse(null) instanceof GgufValue.Texts tokens)) {
            return;
        }
        metadata.asMap().forEach((key, value) -> {
            if (key.startsWith("tokenizer.ggml.")
                    && key.endsWith("_token_id")
                    && value instanceof GgufValue.Int(GgufType type, long id)
                    && (id < 0 || id >= tokens.size())) {
                warnings.add(path + ": key " + Quoted.of(key) + ": token " + id + " of " + tokens.size()
                        + " does not exist; llama.cpp ignores it");
            }
        });
    }

    private void refuseSplit() {
        OptionalLong parts = metadata().integer("split.count");
        if (parts.orElse(0) > 1) {
            throw InputException.of(
                            file().path(),
                            "expected a whole model, found part "
                                    + (metadata().integer("split.no").orElse(0) + 1) + " of " + parts.getAsLong())
                    .withHint("merge the parts first: llama-gguf-split --merge FIRST-PART OUT.gguf");
        }
    }

    /** 2 or 3. */
    public int version() {
        return header.version();
    }

    /** Of every number in the file. */
    public ByteOrder order() {
        return header.order();
    }

    /** Keys and values in the file's order; a copy. */
    public GgufMetadata metadata() {
        return new GgufMetadata(header.metadata());
    }

    /** Tensors in the file's order. */
    public SequencedMap<String, GgufTensor> tensors() {
        return Collections.unmodifiableSequencedMap(header.tensors());
    }

    public Optional<GgufTensor> tensor(String name) {
        return Optional.ofNullable(header.tensors().get(name));
    }

    /** What {@code general.alignment} says, or 32. */
    public int alignment() {
        return header.alignment();
    }

    /** Where the data section begins: bytes from the start of the file. */
    public long dataStart() {
        return header.dataStart();
    }

    /** What is odd and yet accepted, one line each. */
    public List<String> warnings() {
        return warnings;
    }

    public MappedFile file() {
        return whole.file();
    }

    /**
     * A tensor's bytes, without padding.
     *
     * @throws IllegalArgumentException when there is no such tensor
     */
    public Region region(String name) {
        return region(tensor(name)
                .orElseThrow(
                        () -> new IllegalArgumentException("no tensor " + Quoted.of(name) + " in " + file().path())));
    }

    private Region region(GgufTensor tensor) {
        return whole.slice(header.dataStart() + tensor.offset(), tensor.bytes());
    }

    /**
     * Every tensor as a promise of rows, in the file's order: {@link Stored} for plain numbers, {@link Dequantized} for
     * blocks.
     *
     * @throws InputException for a type that nothing decodes (Q8_1 and Q8_K, which no model file has), and for one whose
     *     big-endian form is not defined
     */
    public TensorGraph graph() {
        TensorGraph graph = new TensorGraph();
        for (GgufTensor tensor : header.tensors().values()) {
            graph.add(source(tensor));
        }
        return graph;
    }

    private TensorSource source(GgufTensor tensor) {
        return plain(tensor.type())
                .<TensorSource>map(dtype -> new Stored(
                        new TensorInfo(tensor.name(), dtype, tensor.shape()), region(tensor), header.order()))
                .orElseGet(() -> blocks(tensor));
    }

    private Dequantized blocks(GgufTensor tensor) {
        RowDecoder decoder;
        try {
            decoder = Codecs.decoder(tensor.type());
        } catch (IllegalArgumentException e) {
            throw InputException.of(
                            file().path(),
                            "tensor " + Quoted.of(tensor.name()),
                            "nothing decodes type " + tensor.type())
                    .withCause(e);
        }
        Shape shape = tensor.shape();
        TensorInfo info = new TensorInfo(tensor.name(), DType.F32, shape);
        long rowBytes = tensor.type().bytesFor(shape.rowLength());
        if (header.order() == ByteOrder.LITTLE_ENDIAN) {
            return new Dequantized(info, region(tensor), tensor.type().name(), rowBytes, decoder);
        }
        BigEndianBlocks blocks = BigEndianBlocks.of(tensor.type(), rowBytes)
                .orElseThrow(() -> InputException.of(
                                file().path(),
                                "tensor " + Quoted.of(tensor.name()),
                                "what " + tensor.type() + " is in a big-endian file is not defined")
                        .withHint("quantize the original model on a little-endian machine"));
        return new Dequantized(
                info, region(tensor), tensor.type().name(), rowBytes, blocks.over(decoder), Optional.of(blocks));
    }

    /** The element type of an unquantized tensor; empty for blocks. */
    private static Optional<DType> plain(QuantType type) {
        return switch (type) {
            case F32 -> Optional.of(DType.F32);
            case F16 -> Optional.of(DType.F16);
            case BF16 -> Optional.of(DType.BF16);
            case F64 -> Optional.of(DType.F64);
            case I8 -> Optional.of(DType.I8);
            case I16 -> Optional.of(DType.I16);
            case I32 -> Optional.of(DType.I32);
            case I64 -> Optional.of(DType.I64);
            default -> Optional.empty();
        };
    }

    @Override
    public void close() {
        file().close();
    }
}
