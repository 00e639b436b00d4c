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
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Blocks of tensors that are chosen one after the other and written to an output when all are there: a temporary file
 * beside the output, from which the model is computed meanwhile, and from which an interrupted run goes on.
 */
final class CodesFile implements AutoCloseable {
    private static final Pattern LINE = Pattern.compile("blocks (\\d{1,9}) ([0-9a-f]{64})(?: (.*))?");

    private final OutputFile file;
    private final MappedFile mapped;
    private final Map<String, Place> places = new LinkedHashMap<>();
    private final List<String> lines = new ArrayList<>();
    private int reported;

    /** @param note what was found out about the tensor on the way; null until its blocks are there */
    private static final class Place {
        final PlannedTensor tensor;
        final int index;
        final long offset;

        @org.jspecify.annotations.Nullable
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

    /** @param file opened for {@link #bytes} */
    static CodesFile open(OutputFile file, List<PlannedTensor> tensors) {
        long size = bytes(tensors);
        if (file.earlierLines().isEmpty()) {
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
            if (!matcher.matches() || Integer.parseInt(matcher.group(1)) >= order.size()) {
                continue;
            }
            Place place = order.get(Integer.parseInt(matcher.group(1)));
            byte[] blocks = mapped.region().bytes(place.offset, Math.toIntExact(place.tensor.bytes()));
            if (Sha256.of(blocks).equals(matcher.group(2))) {
                place.note = String.valueOf(matcher.group(3));
            }
        }
    }

    private synchronized List<String> newLines() {
        List<String> fresh = List.copyOf(lines.subList(reported, lines.size()));
        reported = lines.size();
        return fresh;
    }

    /** How many tensors are there. */
    long done() {
        return places.values().stream().filter(place -> place.note != null).count();
    }

    boolean has(String tensor) {
        return place(tensor).note != null;
    }

    /** What was noted when the tensor's blocks came. */
    String note(String tensor) {
        return String.valueOf(place(tensor).note);
    }

    private Place place(String tensor) {
        Place place = places.get(tensor);
        if (place == null) {
            throw new IllegalArgumentException(tensor);
        }
        return place;
    }

    /** @param note one line, kept with the blocks */
    void put(String tensor, byte[] blocks, String note) {
        Place place = place(tensor);
        if (blocks.length != place.tensor.bytes()) {
            throw new IllegalArgumentException(blocks.length + " bytes for " + tensor);
        }
        file.write(ByteBuffer.wrap(blocks), place.offset, () -> {
            synchronized (this) {
                lines.add("blocks " + place.index + " " + Sha256.of(blocks) + " " + note);
            }
        });
        place.note = note;
    }

    /** The tensor as it is decoded from its blocks. */
    TensorSource source(String tensor) {
        Place place = place(tensor);
        PlannedTensor planned = place.tensor;
        return new Dequantized(
                new TensorInfo(
                        planned.source().info().name(),
                        DType.F32,
                        planned.source().info().shape()),
                mapped.region().slice(place.offset, planned.bytes()),
                planned.type().name(),
                planned.type().bytesFor(planned.shape().rowLength()),
                Codecs.decoder(planned.type(), Kernel.fastest()));
    }

    /** Nobody needs it any more. */
    void discard() {
        file.discard();
    }

    @Override
    public void close() {
        mapped.close();
        file.close();
    }
}
