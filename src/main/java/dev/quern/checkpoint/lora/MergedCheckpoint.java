package dev.quern.checkpoint.lora;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.DerivedCheckpoint;
import dev.quern.checkpoint.Layout;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.tensor.LowRankSum;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A checkpoint with an adapter merged into it, W + f·s·B·A, as its rows are read. What PEFT's merge_and_unload rounds to
 * the base model's type is rounded here when it is written.
 */
public final class MergedCheckpoint extends DerivedCheckpoint {
    private final LoraAdapter adapter;
    private final float factor;
    private final Map<String, LoraAdapter.Update> updates = new LinkedHashMap<>();
    private final Map<String, TensorSource> replaced = new LinkedHashMap<>();

    /**
     * @param factor how much of the adapter, 1 for all
     * @throws InputException when the adapter changes what the base model does not have, or has in another shape
     */
    public static MergedCheckpoint of(Checkpoint base, LoraAdapter adapter, float factor) {
        if (base.layout() != Layout.HUGGING_FACE) {
            throw InputException.of(
                            adapter.directory(),
                            "is for a model in Hugging Face's layout, and " + base.directory() + " is in Meta's")
                    .withHint("give the base model as published in Hugging Face's layout");
        }
        return new MergedCheckpoint(base, adapter, factor);
    }

    private MergedCheckpoint(Checkpoint base, LoraAdapter adapter, float factor) {
        super(base);
        this.adapter = adapter;
        this.factor = factor;
        adapter.updates().forEach((name, update) -> {
            String own = nameInBase(name);
            Shape found = Shape.of(
                    update.left().info().shape().dim(0),
                    update.right().info().shape().dim(1));
            Shape expected =
                    java.util.Objects.requireNonNull(base.tensors().get(own)).shape();
            if (!found.equals(expected)) {
                throw adapter.refused(
                                name,
                                "is changed by an update of shape " + found + ", in the base model it is " + expected)
                        .withHint("the adapter was trained on another model");
            }
            updates.put(own, update);
        });
        if (factor != 1 && !adapter.replaced().isEmpty()) {
            throw adapter.refused(
                            adapter.replaced().firstEntry().getKey(),
                            "is replaced whole by the adapter, which cannot be done by a factor of " + factor)
                    .withHint("give the adapter without a factor");
        }
        adapter.replaced().forEach((name, source) -> {
            String own = nameInBase(name);
            Shape expected =
                    java.util.Objects.requireNonNull(base.tensors().get(own)).shape();
            if (!source.info().shape().equals(expected)) {
                throw adapter.refused(
                                name,
                                "has the shape " + source.info().shape() + ", in the base model it is " + expected)
                        .withHint("if tokens were added in training, resize the base model's embedding first");
            }
            replaced.put(own, source);
        });
    }

    /** An adapter trained on the decoder alone leaves out the model's own prefix. */
    private String nameInBase(String name) {
        if (base().tensors().containsKey(name)) {
            return name;
        }
        if (base().tensors().containsKey("model." + name)) {
            return "model." + name;
        }
        throw adapter.refused(name, "is changed by the adapter, and " + base().directory() + " has no such tensor")
                .withHint("the adapter was trained on another model"
                        + (name.startsWith("lm_head") ? ", or the model's output is its embedding" : ""));
    }

    @Override
    public TensorSource open(String name, Shape expected) {
        TensorSource whole = replaced.get(name);
        if (whole != null && whole.info().shape().equals(expected)) {
            return new Renamed(whole.info().withName(name), whole);
        }
        TensorSource source = base().open(name, expected);
        LoraAdapter.Update update = updates.get(name);
        if (update == null) {
            return source;
        }
        return new LowRankSum(
                source.info(), source, update.left(), update.right(), factor * update.scale(), update.magnitudes());
    }

    @Override
    public List<MappedFile> files() {
        Set<MappedFile> files = new LinkedHashSet<>(base().files());
        files.addAll(adapter.files());
        return List.copyOf(files);
    }

    @Override
    public List<String> notes() {
        List<String> notes = new ArrayList<>(base().notes());
        notes.addAll(adapter.notes());
        notes.add(adapter.directory() + ": merged, " + Quoted.plain(updates.size() + " updates")
                + (replaced.isEmpty() ? "" : ", " + replaced.size() + " tensors replaced"));
        return notes;
    }

    @Override
    public void verifyChecksums() {
        base().verifyChecksums();
        adapter.verifyChecksums();
    }

    @Override
    public void close() {
        adapter.close();
        base().close();
    }
}
