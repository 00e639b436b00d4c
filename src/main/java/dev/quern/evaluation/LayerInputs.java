package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;

/**
 * Two models of one shape over one text, block by block: the original, and one that is being quantized. Before a block's
 * weights change, their inputs can be had from both at the same positions; the states between blocks are kept for the
 * whole text, outside the heap, and a block is computed again for each of its inputs, with the weights that it has by
 * then.
 */
public final class LayerInputs {
    /**
     * Weights that have one input.
     *
     * @param tensors by name
     * @param byExperts whether each matrix of the tensors sees the tokens that are sent to it only
     * @param added what the one product is multiplied by before it is added to the model's states; 0 where it is not
     */
    public record Group(int block, int index, List<String> tensors, boolean byExperts, float added) {}

    /**
     * What goes into a group's products in one model.
     *
     * @param input a row for each token
     * @param states to which the product is going to be added, where the group says so
     */
    public record Seen(Packed input, Blocked states) {}

    /** Looks at the inputs of one group of weights. */
    @FunctionalInterface
    public interface Sink {
        /**
         * @param window the first of the windows that these are
         * @param windows how many there are, each with its rows one after the other
         */
        void inputs(Seen original, Seen quantized, int window, int windows);
    }

    /** Looks at what experts of the quantized model see. */
    @FunctionalInterface
    public interface ExpertSink {
        /** Rows {@code first[e] .. first[e] + counts[e] - 1} of {@code input} are those of expert {@code e}. */
        void inputs(Packed input, int[] first, int[] counts);
    }

    private final Forward original;
    private final Forward quantized;
    private final Windows text;
    private final MemorySegment states;
    private final long half;
    private final int batch;

    /**
     * @param states room for {@link #bytes}, zero or not
     * @param original made for windows of the text's length, as is {@code quantized}
     */
    public LayerInputs(Forward original, Forward quantized, Windows text, MemorySegment states) {
        this.original = original;
        this.quantized = quantized;
        this.text = text;
        this.states = states;
        this.half = bytes(text, original.width()) / 2;
        this.batch = Math.min(original.windowsInFlight(), quantized.windowsInFlight());
        text.requireVocabulary(original.vocabulary());
    }

    /** Bytes that the states of both models take. */
    public static long bytes(Windows text, int width) {
        return 2L * text.count() * text.length() * width * Float.BYTES;
    }

    /** Bytes for this model's states. */
    public static long bytes(Windows text, Forward model) {
        return bytes(text, model.width());
    }

    public int blocks() {
        return original.blocks();
    }

    /** Where each batch of windows begins. */
    private int size(int window) {
        return Math.min(batch, text.count() - window);
    }

    /** Both models' states before the first block. */
    public void begin() {
        for (int window = 0; window < text.count(); window += batch) {
            int[] tokens = text.input(window, size(window));
            store(original.embedded(tokens), window, 0);
            store(quantized.embedded(tokens), window, half);
        }
    }

    private void store(Blocked x, int window, long from) {
        MemorySegment.copy(
                x.values(),
                0,
                states,
                ValueLayout.JAVA_FLOAT,
                from + (long) window * text.length() * x.width() * Float.BYTES,
                Blocked.size(x.rows(), x.width()));
    }

    private Blocked load(Forward model, int window, long from) {
        Blocked x = model.statesOf(size(window));
        MemorySegment.copy(
                states,
                ValueLayout.JAVA_FLOAT,
                from + (long) window * text.length() * x.width() * Float.BYTES,
                x.values(),
                0,
                Blocked.size(x.rows(), x.width()));
        return x;
    }

    /** The groups of one block, in the order in which it meets them. */
    public List<Group> groups(int block) {
        List<Group> groups = new ArrayList<>();
        original.block(block, load(original, 0, 0), new InputObserver() {
            @Override
            public void seen(Packed input, WeightMatrix... products) {
                groups.add(new Group(block, groups.size(), names(products), false, original.added(block, products)));
            }

            @Override
            public void seenByExperts(Packed input, Routing routing, WeightMatrix... products) {
                groups.add(new Group(block, groups.size(), names(products), true, 0));
            }
        });
        return groups;
    }

    /** The group of the output matrix, after all blocks. */
    public Group output() {
        return new Group(blocks(), 0, List.of(original.outputMatrix().name()), false, 0);
    }

    private static List<String> names(WeightMatrix[] products) {
        LinkedHashSet<String> names = new LinkedHashSet<>();
        for (WeightMatrix product : products) {
            names.add(product.name());
        }
        return List.copyOf(names);
    }

    /** Shows the sink the group's inputs, of all windows in order. */
    public void show(Group group, Sink sink) {
        for (int window = 0; window < text.count(); window += batch) {
            Seen before = input(original, group, window, 0);
            Seen now = input(quantized, group, window, half);
            sink.inputs(before, now, window, size(window));
        }
    }

    private Seen input(Forward model, Group group, int window, long from) {
        Blocked x = load(model, window, from);
        if (group.block() == blocks()) {
            return new Seen(model.outputs(x), x);
        }
        return new Seen(new Until(group.index()).of(model, group.block(), x).input(), x);
    }

    /** Shows the sink what the quantized model's experts see. */
    public void showByExperts(Group group, ExpertSink sink) {
        for (int window = 0; window < text.count(); window += batch) {
            Until.Met seen = new Until(group.index()).of(quantized, group.block(), load(quantized, window, half));
            Routing routing = java.util.Objects.requireNonNull(seen.routing());
            sink.inputs(seen.input(), routing.first(), routing.counts());
        }
    }

    /** Both models' states go through a block with the weights that it has now. */
    public void advance(int block) {
        for (int window = 0; window < text.count(); window += batch) {
            Blocked x = load(original, window, 0);
            original.block(block, x, InputObserver.NONE);
            store(x, window, 0);
            x = load(quantized, window, half);
            quantized.block(block, x, InputObserver.NONE);
            store(x, window, half);
        }
    }

    /** Computes a block only as far as a certain input. */
    private static final class Until implements InputObserver {
        /** Thrown where the block need not go on. */
        private static final class Enough extends RuntimeException {
            private static final long serialVersionUID = 1;

            Enough() {
                super(null, null, false, false);
            }
        }

        record Met(
                Packed input,
                @org.jspecify.annotations.Nullable Routing routing) {}

        private final int index;
        private int met;
        private @org.jspecify.annotations.Nullable Met seen;

        Until(int index) {
            this.index = index;
        }

        Met of(Forward model, int block, Blocked x) {
            try {
                model.block(block, x, this);
            } catch (Enough e) {
                return java.util.Objects.requireNonNull(seen);
            }
            throw new IllegalStateException("block " + block + " has no input " + index);
        }

        @Override
        public void seen(Packed input, WeightMatrix... products) {
            look(new Met(input, null));
        }

        @Override
        public void seenByExperts(Packed input, Routing routing, WeightMatrix... products) {
            look(new Met(input, routing));
        }

        private void look(Met now) {
            if (met++ == index) {
                seen = now;
                throw new Enough();
            }
        }
    }
}
