package dev.quern.checkpoint;

import dev.quern.io.InputException;
import dev.quern.tensor.Concatenated;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * LLaMA as Meta publishes it: one file for each GPU it was trained on, all with the same tensor names. Layers that were
 * parallel over rows hold some rows each, those parallel over columns some columns each, norms are whole in every file
 * (fairscale's ColumnParallelLinear, RowParallelLinear, ParallelEmbedding).
 */
final class MetaCheckpoint extends FileCheckpoint {
    /** Rotation angles, which every reader computes itself. */
    private static final String ROPE_FREQUENCIES = "rope.freqs";

    private final List<Weights> shards;
    private final SequencedMap<String, TensorInfo> tensors = new LinkedHashMap<>();
    private final SequencedMap<String, String> unreadable;

    /** @param shards in the order of their numbers; closed with the checkpoint */
    MetaCheckpoint(Path directory, ModelConfig config, List<Weights> shards, List<String> notes) {
        super(directory, config, shards, notes);
        this.shards = shards;
        shards.getFirst().tensors().forEach((name, source) -> {
            if (!name.equals(ROPE_FREQUENCIES)) {
                tensors.put(name, source.info());
            }
        });
        this.unreadable = shards.getFirst().unreadable();
        shards.forEach(shard -> checkAlike(shards.getFirst(), shard));
    }

    private static void checkAlike(Weights first, Weights shard) {
        first.tensors().forEach((name, source) -> {
            TensorInfo expected = source.info();
            TensorInfo found = shard.tensor(name).info();
            if (!found.equals(expected)) {
                throw shard.refused(
                        name,
                        "expected " + expected.dtype() + " " + expected.shape() + " as in "
                                + first.file().path().getFileName() + ", found " + found.dtype() + " " + found.shape());
            }
        });
        shard.tensors().keySet().stream()
                .filter(name -> !first.holds(name))
                .findFirst()
                .ifPresent(name -> {
                    throw shard.refused(name, "is not in " + first.file().path().getFileName());
                });
    }

    @Override
    public Layout layout() {
        return Layout.META;
    }

    @Override
    public SequencedMap<String, TensorInfo> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    @Override
    public SequencedMap<String, String> unreadable() {
        return unreadable;
    }

    /** Joins the shards along the axis in which they make the expected shape together. */
    @Override
    public TensorSource open(String name, Shape expected) {
        List<TensorSource> parts =
                shards.stream().map(shard -> shard.tensor(name)).toList();
        Shape found = parts.getFirst().info().shape();
        if (found.equals(expected)) {
            checkReplicas(name, parts);
            return parts.getFirst();
        }
        for (int axis = 0; axis < Math.min(2, found.rank()); axis++) {
            if (isSplit(found, expected, axis)) {
                return Concatenated.of(name, parts, axis);
            }
        }
        throw shards.getFirst()
                .refused(
                        name,
                        "expected the shape " + expected + ", found " + found + " in each of " + shards.size()
                                + (shards.size() == 1 ? " shard" : " shards"));
    }

    private boolean isSplit(Shape found, Shape expected, int axis) {
        return found.rank() == expected.rank()
                && found.rank() <= 2
                && expected.dim(axis) % shards.size() == 0
                && found.equals(expected.with(axis, expected.dim(axis) / shards.size()));
    }

    /** What every shard holds whole is the same in all, or the files do not belong together. */
    private void checkReplicas(String name, List<TensorSource> parts) {
        Shape shape = parts.getFirst().info().shape();
        int length = Math.toIntExact(shape.rowLength());
        float[] first = new float[length];
        float[] other = new float[length];
        for (int shard = 1; shard < parts.size(); shard++) {
            for (long row = 0; row < shape.rows(); row++) {
                parts.getFirst().readRows(row, 1, first, 0);
                parts.get(shard).readRows(row, 1, other, 0);
                for (int i = 0; i < length; i++) {
                    if (Float.floatToRawIntBits(first[i]) != Float.floatToRawIntBits(other[i])) {
                        throw differing(name, shard, row * length + i);
                    }
                }
            }
        }
    }

    private InputException differing(String name, int shard, long element) {
        return shards.get(shard)
                .refused(
                        name,
                        "element " + element + " differs from "
                                + shards.getFirst().file().path().getFileName() + ", though every shard holds it whole")
                .withHint("the shards are not of one model, or one of them is damaged");
    }
}
