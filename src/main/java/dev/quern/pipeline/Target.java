package dev.quern.pipeline;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufTensor;
import dev.quern.io.OutputFile;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One output while it is being written: its file, where each tensor goes in it, and what of it is there. */
final class Target implements AutoCloseable {
    /** Journaled work is recorded sixteen times, but not for less than this and not for more than a disk's second. */
    private static final long LEAST_STEP = 64 << 10;

    private static final long MOST_STEP = 64 << 20;
    private static final int STEPS = 16;
    private static final int STEP_SECONDS = 10;

    final OutputPlan plan;
    final GgufLayout layout;
    private final Path path;
    private final List<Place> places = new ArrayList<>();
    private final WriteTurns turns = new WriteTurns();
    private @Nullable OutputFile file;
    private long restored;

    /**
     * Where one tensor goes.
     *
     * @param extent what of it is there, in a journaled output
     * @param hash when hashes are wanted
     */
    record Place(
            Target target,
            PlannedTensor tensor,
            long position,
            @Nullable TensorExtent extent,
            @Nullable TensorHash hash) {
        /** Rows from the first on that are there already. */
        long rowsDone() {
            long rowBytes = tensor.type().bytesFor(tensor.shape().rowLength());
            return extent == null || rowBytes == 0 ? 0 : extent.prefix().bytes() / rowBytes;
        }
    }

    Target(Conversion.Output output) {
        this.plan = output.plan();
        this.layout = output.plan().layout();
        this.path = output.target();
    }

    /** Takes possession of the file, new or as an earlier run left it. */
    void open(Inputs inputs, boolean journaled, Conversion.Options options) {
        Optional<OutputFile.Journaling> journaling = journaled
                ? Optional.of(new OutputFile.Journaling(
                        Journal.identity(plan, layout, inputs, options.tool()),
                        true,
                        Math.clamp(layout.fileSize() / STEPS, LEAST_STEP, MOST_STEP),
                        STEP_SECONDS))
                : Optional.empty();
        open(inputs, journaling, options);
        journaling.ifPresent(wanted -> {
            for (String earlier : file().otherIdentities()) {
                options.notices()
                        .accept("note: " + path + ": starts over, an interrupted run is of no use: "
                                + Journal.difference(earlier, wanted.identity()));
            }
            if (!file().staleRemoved().isEmpty() && file().otherIdentities().isEmpty()) {
                options.notices()
                        .accept("note: " + path
                                + ": starts over, what an interrupted run left has no record of its progress");
            }
            if (file().isPublished() && !isWhole()) {
                // Somebody else's by now: replaced with --force only, as any file.
                file().done();
                file().close();
                open(inputs, journaling, options);
            }
        });
    }

    private void open(Inputs inputs, Optional<OutputFile.Journaling> journaling, Conversion.Options options) {
        OutputFile opened = OutputFile.create(
                path, layout.fileSize(), inputs.paths(), options.overwrite(), options.operations(), journaling);
        file = opened;
        places.clear();
        Iterator<GgufTensor> placed = layout.tensors().iterator();
        for (PlannedTensor tensor : plan.tensors()) {
            long position = layout.position(placed.next());
            TensorExtent extent = journaling.isPresent() ? new TensorExtent(opened, position, tensor.bytes()) : null;
            TensorHash hash = options.hashed() ? new TensorHash(opened, position, tensor.bytes()) : null;
            places.add(new Place(this, tensor, position, extent, hash));
        }
    }

    private static TensorExtent extent(Place place) {
        TensorExtent extent = place.extent();
        if (extent == null) {
            throw new IllegalStateException("not journaled");
        }
        return extent;
    }

    /** Whether the published file is what this run would make: header, every tensor, zeros between them. */
    private boolean isWhole() {
        ByteBuffer expected = layout.header();
        if (!read(0, expected.remaining()).equals(expected) || restore() > 0) {
            return false;
        }
        return places.stream().allMatch(place -> extent(place).isComplete())
                && gaps().stream().allMatch(gap -> read(gap.begin, gap.length).equals(ByteBuffer.allocate(gap.length)));
    }

    /** Checks what an earlier run left, and begins to record what comes. */
    void resume(Consumer<String> notices) {
        if (places.isEmpty() || places.getFirst().extent() == null) {
            return;
        }
        if (file().isPublished()) {
            notices.accept("note: " + path + ": is in place and whole, from an interrupted run");
        } else if (!file().earlierLines().isEmpty()) {
            int damaged = restore();
            restored = places.stream()
                    .mapToLong(place -> extent(place).prefix().bytes())
                    .sum();
            clear();
            notices.accept("note: " + path + ": goes on where an interrupted run stopped, at "
                    + 100 * restored / Math.max(1, bytes()) + " %"
                    + (damaged == 0 ? "" : "; " + damaged + " damaged tensors are made again"));
        }
        for (Place place : places) {
            if (place.hash() != null) {
                place.hash().restore(extent(place).prefix().bytes());
            }
        }
        Journal.Lines lines =
                new Journal.Lines(places.stream().map(Target::extent).toList());
        file().checkpoints(lines::since);
    }

    /** @return how many tensors are not what the journal says */
    private int restore() {
        int damaged = 0;
        for (Map.Entry<Integer, TensorExtent.Prefix> entry :
                Journal.prefixes(file().earlierLines()).entrySet()) {
            if (entry.getKey() < places.size()
                    && !extent(places.get(entry.getKey())).restore(entry.getValue())) {
                damaged++;
            }
        }
        return damaged;
    }

    /** What nobody writes must be zeros: the first bytes until they are written last, and the gaps for ever. */
    private void clear() {
        file().write(ByteBuffer.allocate((int) Math.min(Long.BYTES, layout.dataStart())), 0);
        for (Gap gap : gaps()) {
            file().write(ByteBuffer.allocate(gap.length), gap.begin);
        }
    }

    /** Bytes behind a tensor that belong to none. */
    private record Gap(long begin, int length) {}

    private List<Gap> gaps() {
        List<Gap> gaps = new ArrayList<>();
        for (int i = 0; i < places.size(); i++) {
            long end = places.get(i).position() + places.get(i).tensor().bytes();
            long next = i + 1 < places.size() ? places.get(i + 1).position() : layout.fileSize();
            if (next > end) {
                gaps.add(new Gap(end, Math.toIntExact(next - end)));
            }
        }
        return gaps;
    }

    private ByteBuffer read(long position, int count) {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        file().read(bytes, position);
        return bytes.flip();
    }

    private long bytes() {
        return plan.tensors().stream().mapToLong(PlannedTensor::bytes).sum();
    }

    /** Bytes that the disk still has to find room for. */
    long missing() {
        return isPublished() ? 0 : layout.fileSize() - restored;
    }

    boolean isPublished() {
        return file().isPublished();
    }

    /** In the file's order; a published output needs nothing any more. */
    List<Place> places() {
        return isPublished() ? List.of() : places;
    }

    /** The header comes last: a file without one is no GGUF, whatever happened to its data. */
    void finish() {
        if (!isPublished()) {
            file().write(layout.header(), 0);
        }
        file().prepare();
    }

    /** Where it is, with all its bytes, before it is published. */
    Conversion.Complete complete() {
        return new Conversion.Complete(file().target(), isPublished() ? file().target() : file().temporary());
    }

    /** It shall not appear, now or when the same command is given again. */
    void reject() {
        file().discard();
        if (isPublished()) {
            file().withdraw();
        }
    }

    Conversion.Written written() {
        List<Conversion.Hashed> hashes = new ArrayList<>();
        for (Place place : places) {
            if (place.hash() != null) {
                hashes.add(new Conversion.Hashed(
                        place.tensor().name(), place.hash().sha256()));
            }
        }
        return new Conversion.Written(plan, file().target(), layout.fileSize(), hashes);
    }

    /** Whether this is the part of a split model that readers open. */
    boolean isFirstOfSeveral() {
        return plan.metadata().integer("split.count").orElse(0) > 1
                && plan.metadata().integer("split.no").orElse(0) == 0;
    }

    boolean isPart() {
        return plan.metadata().integer("split.count").orElse(0) > 1;
    }

    /** Whose turn it is to write tiles to the file. */
    WriteTurns turns() {
        return turns;
    }

    OutputFile file() {
        if (file == null) {
            throw new IllegalStateException("not opened");
        }
        return file;
    }

    /** Nothing of this is worth going on with. */
    void discard() {
        if (file != null) {
            file.discard();
        }
    }

    /** What is kept for the next run, in words for people. */
    Optional<String> kept() {
        return file == null ? Optional.empty() : file.kept();
    }

    @Override
    public void close() {
        if (file != null) {
            file.close();
        }
    }
}
