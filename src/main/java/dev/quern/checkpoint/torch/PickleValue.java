package dev.quern.checkpoint.torch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;

/**
 * What a pickle can say here. Values are inert: none runs anything, and none looks into another when it is compared,
 * hashed or printed, because a pickle can nest and share values beyond any walk's end.
 */
sealed interface PickleValue {
    enum Nothing implements PickleValue {
        NONE
    }

    record Truth(boolean value) implements PickleValue {}

    record Int(long value) implements PickleValue {}

    record Real(double value) implements PickleValue {}

    record Text(String value) implements PickleValue {}

    /** A value that nothing here reads, such as a complex number; {@code what} names it in refusals. */
    record Inert(String what) implements PickleValue {}

    /** Bytes as the text of the same code points, which costs no copy when a pickle spells them as text. */
    record Bytes(String latin1) implements PickleValue {}

    /** What holds other values, with how deep they go. */
    abstract sealed class Container implements PickleValue {
        private int depth = 1;

        int depth() {
            return depth;
        }

        /** Notes a value that now lies inside. Depth is counted when it is put in; a cycle does not count for ever. */
        void noteInside(PickleValue value) {
            if (value != this && value instanceof Container inner) {
                depth = Math.max(depth, inner.depth + 1);
            }
        }
    }

    final class Tuple extends Container {
        final List<PickleValue> items;

        Tuple(List<PickleValue> items) {
            this.items = List.copyOf(items);
            items.forEach(this::noteInside);
        }
    }

    final class Items extends Container {
        final List<PickleValue> items = new ArrayList<>();
    }

    /** A set, whose members nothing here asks for. */
    final class Members extends Container {}

    /** A dict or one of its kin. Keys are String, Long, Boolean, {@link Bytes} or {@link Nothing}. */
    final class Dict extends Container {
        final LinkedHashMap<Object, PickleValue> entries = new LinkedHashMap<>();

        /** Whether a BUILD may follow: an OrderedDict has attributes, torch's {@code _metadata} among them. */
        final boolean ordered;

        Dict(boolean ordered) {
            this.ordered = ordered;
        }
    }

    /** A global that may be called or named; {@link Globals} knows them. */
    record Callable(Globals.Function function) implements PickleValue {}

    /** {@code torch.float16} */
    record ElementType(TorchType type) implements PickleValue {}

    /** {@code torch.HalfStorage}; empty for {@code torch.storage.UntypedStorage}, which counts bytes. */
    record StorageClass(Optional<TorchType> type) implements PickleValue {}

    /**
     * A storage by its key, its bytes somewhere in the container; or, in files before PyTorch 1.6, a part of one.
     *
     * @param elements how many, of the storage's type; bytes where it has none
     * @param first where it begins in the record that its key names, in elements
     * @param recorded elements of that record
     */
    record Storage(String key, Optional<TorchType> type, long elements, long first, long recorded)
            implements PickleValue {
        /** Bytes of the whole storage; exact, since {@link StorageTable} bounds the elements. */
        long bytes() {
            return elements * width();
        }

        long recordedBytes() {
            return recorded * width();
        }

        /** Bytes of one element. */
        int width() {
            return type.map(TorchType::bytes).orElse(1);
        }
    }

    /** A view into a storage, its numbers not yet checked against the storage. */
    final class Tensor implements PickleValue {
        final Storage storage;
        final TorchType type;
        final long offset;
        final long[] sizes;
        final long[] strides;

        Tensor(Storage storage, TorchType type, long offset, long[] sizes, long[] strides) {
            this.storage = storage;
            this.type = type;
            this.offset = offset;
            this.sizes = sizes;
            this.strides = strides;
        }
    }

    /** A value's kind, for refusals; never its contents. */
    static String kind(PickleValue value) {
        return switch (value) {
            case Nothing _ -> "None";
            case Truth truth -> truth.value() ? "True" : "False";
            case Int number -> "the integer " + number.value();
            case Real number -> "the number " + number.value();
            case Text _ -> "a text";
            case Inert inert -> inert.what();
            case Bytes _ -> "bytes";
            case Tuple tuple -> "a tuple of " + tuple.items.size();
            case Items _ -> "a list";
            case Members _ -> "a set";
            case Dict _ -> "a dict";
            case Callable callable -> callable.function().toString();
            case ElementType type -> "torch." + type.type();
            case StorageClass _ -> "a storage class";
            case Storage _ -> "a storage";
            case Tensor _ -> "a tensor";
        };
    }
}
