package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Two models of one shape over one text, block by block: the original, and one that is being quantized. Before a block's
 * weights change, their inputs can be had from both at the same positions. States between blocks, and what attention
 * gives within one, are kept for the whole text, outside the heap; what follows is computed again for each input, with
 * the weights that the block has by then.
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
        /**
         * @param input rows {@code first[e] .. first[e] + counts[e] - 1} are those of expert {@code e}
         * @param tokens for each row the position in these windows, one window after the other
         * @param window the first of the windows that these are
         */
        void inputs(Packed input, int[] first, int[] counts, int[] tokens, int window);
    }

    /**
     * One of the two models, and where in the memory its part lies.
     *
     * @param states first byte of its states
     * @param attended first byte of what its attention gave in the current block
     */
    private record Side(Forward model, long states, long attended) {}

    private final Side original;
    private final Side quantized;
    private final Windows text;
    private final MemorySegment memory;
    private final int batch;

    /** The block whose attention is kept, and which of its groups reads it. */
    private int attendedBlock = -1;

    private int attendedIndex;

    /**
     * @param original made for windows of the text's length, as is {@code quantized}
     * @param memory of {@link #bytes}, zero or not
     */
    public LayerInputs(Forward original, Forward quantized, Windows text, MemorySegment memory) {
        long states = (long) text.count() * text.length() * original.width() * Float.BYTES;
        long attended = attendedBytes(text, original);
        this.original = new Side(original, 0, 2 * states);
        this.quantized = new Side(quantized, states, 2 * states + attended);
        this.text = text;
        this.memory = memory;
        this.batch = Math.min(original.windowsInFlight(), quantized.windowsInFlight());
        text.requireVocabulary(original.vocabulary());
    }

    /** Bytes that both models' states take, and what their attention gives. */
    public static long bytes(Windows text, Forward model) {
        return 2L * text.count() * text.length() * model.width() * Float.BYTES + 2 * attendedBytes(text, model);
    }

    private static long attendedBytes(Windows text, Forward model) {
        long most = 0;
        for (int block = 0; block < model.blocks(); block++) {
            most = Math.max(most, model.attentionOutput(block).columns());
        }
        // Batches of windows whose rows are rounded up to whole tiles.
        return most * Packed.padded(text.length()) * text.count() * Float.BYTES;
    }

    public int blocks() {
        return original.model().blocks();
    }

    private int size(int window) {
        return Math.min(batch, text.count() - window);
    }

    /** Both models' states before the first block. */
    public void begin() {
        for (int window = 0; window < text.count(); window += batch) {
            int[] tokens = text.input(window, size(window));
            store(original, original.model().embedded(tokens), window);
            store(quantized, quantized.model().embedded(tokens), window);
        }
    }

    private void store(Side side, Blocked x, int window) {
        long at = side.states() + (long) window * text.length() * x.width() * Float.BYTES;
        MemorySegment.copy(x.values(), 0, memory, ValueLayout.JAVA_FLOAT, at, Blocked.size(x.rows(), x.width()));
    }

    private Blocked load(Side side, int window) {
        Blocked x = side.model().statesOf(size(window));
        long at = side.states() + (long) window * text.length() * x.width() * Float.BYTES;
        MemorySegment.copy(memory, ValueLayout.JAVA_FLOAT, at, x.values(), 0, Blocked.size(x.rows(), x.width()));
        return x;
    }

    private long attendedAt(Side side, int window, int width) {
        return side.attended() + (long) window * Packed.padded(text.length()) * width * Float.BYTES;
    }

    private Packed loadAttended(Side side, int block, int window) {
        Packed attended = side.model().attendedOf(block, size(window) * text.length());
        MemorySegment.copy(
                memory,
                ValueLayout.JAVA_FLOAT,
                attendedAt(side, window, attended.width()),
                attended.values(),
                0,
                Packed.size(attended.rows(), attended.width()));
        return attended;
    }

    private void storeAttended(Side side, Packed attended, int window) {
        MemorySegment.copy(
                attended.values(),
                0,
                memory,
                ValueLayout.JAVA_FLOAT,
                attendedAt(side, window, attended.width()),
                Packed.size(attended.rows(), attended.width()));
    }

    /** The groups of one block, in the order in which it meets them. */
    public List<Group> groups(int block) {
        List<Group> groups = new ArrayList<>();
        Forward model = original.model();
        model.block(block, load(original, 0), new InputObserver() {
            @Override
            public void seen(Packed input, WeightMatrix... products) {
                groups.add(new Group(block, groups.size(), names(products), false, model.added(block, products)));
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
        return new Group(blocks(), 0, List.of(original.model().outputMatrix().name()), false, 0);
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
        boolean attention = isAttention(group);
        for (int window = 0; window < text.count(); window += batch) {
            Seen before = input(original, group, window);
            Seen now = input(quantized, group, window);
            if (attention) {
                storeAttended(original, before.input(), window);
                storeAttended(quantized, now.input(), window);
            }
            sink.inputs(before, now, window, size(window));
        }
        if (attention) {
            attendedBlock = group.block();
            attendedIndex = group.index();
        }
    }

    private boolean isAttention(Group group) {
        return group.block() < blocks()
                && group.tensors()
                        .equals(List.of(
                                original.model().attentionOutput(group.block()).name()));
    }

    private Seen input(Side side, Group group, int window) {
        Blocked x = load(side, window);
        return group.block() == blocks()
                ? new Seen(side.model().outputs(x), x)
                : new Seen(until(side, group, window, x).input(), x);
    }

    private Until.Met until(Side side, Group group, int window, Blocked x) {
        Forward model = side.model();
        if (group.block() == attendedBlock && group.index() > attendedIndex) {
            Packed attended = loadAttended(side, group.block(), window);
            return new Until(group.index() - attendedIndex)
                    .of(observer -> model.blockFrom(group.block(), attended, x, observer));
        }
        return new Until(group.index()).of(observer -> model.block(group.block(), x, observer));
    }

    /** Shows the sink what the quantized model's experts see. */
    public void showByExperts(Group group, ExpertSink sink) {
        for (int window = 0; window < text.count(); window += batch) {
            Until.Met met = until(quantized, group, window, load(quantized, window));
            Routing routing = Objects.requireNonNull(met.routing());
            sink.inputs(met.input(), routing.first(), routing.counts(), routing.tokens(), window);
        }
    }

    /** Both models' states go through a block with the weights that it has now. */
    public void advance(int block) {
        for (int window = 0; window < text.count(); window += batch) {
            advance(original, block, window);
            advance(quantized, block, window);
        }
    }

    private void advance(Side side, int block, int window) {
        Blocked x = load(side, window);
        if (block == attendedBlock) {
            side.model().blockFrom(block, loadAttended(side, block, window), x, InputObserver.NONE);
        } else {
            side.model().block(block, x, InputObserver.NONE);
        }
        store(side, x, window);
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

        /** @param routing where the input is experts' */
        record Met(Packed input, @Nullable Routing routing) {}

        /** A block, or the rest of one. */
        @FunctionalInterface
        interface Computation {
            void run(InputObserver observer);
        }

        private final int index;
        private int count;
        private @Nullable Met met;

        Until(int index) {
            this.index = index;
        }

        Met of(Computation block) {
            try {
                block.run(this);
            } catch (Enough e) {
                return Objects.requireNonNull(met);
            }
            throw new IllegalStateException("no input " + index);
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
            if (count++ == index) {
                met = now;
                throw new Enough();
            }
        }
    }
}
