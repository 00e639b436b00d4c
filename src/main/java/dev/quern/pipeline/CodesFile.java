package dev.quern.pipeline;

import dev.quern.io.MappedFile;
import dev.quern.io.OutputFile;
import dev.quern.io.Sha256;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.tensor.DType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Blocks of tensors that are chosen one after the other and written to an output when all are there: a temporary file
 * beside the output, from which the model is computed meanwhile, and from which an interrupted run goes on.
 */
final class CodesFile implements AutoCloseable {
    private static final Pattern LINE = Pattern.compile("blocks (\\d{1,9}) ([0-9a-f]{64}) (.*)");
    private static final int HASHED_AT_ONCE = 1 << 20;

    private final OutputFile file;
    private final MappedFile mapped;
    private final Map<String, Place> places = new LinkedHashMap<>();
    private final List<String> lines = new ArrayList<>();
    private int reported;

    /** Where a tensor's blocks are, and what is known of them: nothing until all are there. */
    private static final class Place {
        final PlannedTensor tensor;
        final int index;
        final long offset;

        @Nullable
        String note;

        Place(PlannedTensor tensor, int index, long offset) {
            this.tensor = tensor;
            this.index = index;
            this.offset = offset;
        }
    }

    private CodesFile(OutputFile file, MappedFile mapped) {
        this.file = file;
        this.mapped = mapped;
    }

    static long bytes(List<PlannedTensor> tensors) {
        return tensors.stream().mapToLong(PlannedTensor::bytes).sum();
    }

    /** @param file opened for {@link #bytes}; becomes this object's */
    static CodesFile open(OutputFile file, List<PlannedTensor> tensors) {
        long size = bytes(tensors);
        if (file.earlierLines().isEmpty() && size > 0) {
            // The whole length is there to be mapped before anything is written.
            file.write(ByteBuffer.wrap(new byte[1]), size - 1);
        }
        CodesFile codes = new CodesFile(file, MappedFile.open(file.temporary()));
        long offset = 0;
        for (PlannedTensor tensor : tensors) {
            codes.places.put(tensor.name(), new Place(tensor, codes.places.size(), offset));
            offset += tensor.bytes();
        }
        codes.restore();
        file.checkpoints(codes::newLines);
        return codes;
    }

    private void restore() {
        List<Place> order = List.copyOf(places.values());
        for (String line : file.earlierLines()) {
            Matcher matcher = LINE.matcher(line);
            if (matcher.matches() && Integer.parseInt(matcher.group(1)) < order.size()) {
                Place place = order.get(Integer.parseInt(matcher.group(1)));
                if (hash(place).equals(matcher.group(2))) {
                    place.note = matcher.group(3);
                }
            }
        }
    }

    private String hash(Place place) {
        MessageDigest digest = Sha256.digest();
        long bytes = place.tensor.bytes();
        for (long done = 0; done < bytes; done += HASHED_AT_ONCE) {
            digest.update(mapped.region().bytes(place.offset + done, (int) Math.min(HASHED_AT_ONCE, bytes - done)));
        }
        return Sha256.hex(digest);
    }

    private synchronized List<String> newLines() {
        List<String> fresh = List.copyOf(lines.subList(reported, lines.size()));
        reported = lines.size();
        return fresh;
    }

    /** How many tensors are there. */
    int done() {
        return (int)
                places.values().stream().filter(place -> place.note != null).count();
    }

    boolean has(PlannedTensor tensor) {
        return place(tensor).note != null;
    }

    /** What was noted when the tensor's last blocks came. */
    Optional<String> note(PlannedTensor tensor) {
        return Optional.ofNullable(place(tensor).note);
    }

    private Place place(PlannedTensor tensor) {
        Place place = places.get(tensor.name());
        if (place == null) {
            throw new IllegalArgumentException(tensor.name());
        }
        return place;
    }

    /** All of a tensor's blocks. */
    void put(PlannedTensor tensor, byte[] blocks, String note) {
        Place place = place(tensor);
        if (blocks.length != tensor.bytes()) {
            throw new IllegalArgumentException(blocks.length + " bytes of " + tensor.name());
        }
        String hash = Sha256.of(blocks);
        // Said before the checkpoint that these bytes give rise to, or only the next tensor's would have it.
        file.write(ByteBuffer.wrap(blocks), place.offset, () -> complete(place, hash, note));
    }

    /** Some of its blocks, from a byte on. */
    void put(PlannedTensor tensor, long from, byte[] blocks) {
        Place place = place(tensor);
        if (from < 0 || from + blocks.length > tensor.bytes()) {
            throw new IllegalArgumentException(blocks.length + " bytes at " + from + " of " + tensor.name());
        }
        file.write(ByteBuffer.wrap(blocks), place.offset + from);
    }

    /** @param note one line, kept with the blocks */
    void complete(PlannedTensor tensor, String note) {
        Place place = place(tensor);
        complete(place, hash(place), note);
    }

    private synchronized void complete(Place place, String hash, String note) {
        lines.add("blocks " + place.index + " " + hash + " " + note);
        place.note = note;
    }

    /** The tensor as it is decoded from its blocks. */
    TensorSource source(PlannedTensor tensor) {
        TensorInfo info = tensor.source().info();
        return new Dequantized(
                new TensorInfo(info.name(), DType.F32, info.shape()),
                mapped.region().slice(place(tensor).offset, tensor.bytes()),
                tensor.type().name(),
                tensor.type().bytesFor(tensor.shape().rowLength()),
                Codecs.decoder(tensor.type(), Kernel.fastest()));
    }

    /** All tensors are there: makes sure that the next run would know it. */
    void settle() {
        file.prepare();
    }

    /** Nobody needs it any more. */
    void discard() {
        file.discard();
    }

    /** What is kept for the next run, in words for people. */
    Optional<String> kept() {
        return file.kept();
    }

    @Override
    public void close() {
        mapped.close();
        file.close();
    }
}
