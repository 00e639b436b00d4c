package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.Globals.Function;
import dev.quern.checkpoint.torch.PickleValue.Bytes;
import dev.quern.checkpoint.torch.PickleValue.Callable;
import dev.quern.checkpoint.torch.PickleValue.Dict;
import dev.quern.checkpoint.torch.PickleValue.ElementType;
import dev.quern.checkpoint.torch.PickleValue.Inert;
import dev.quern.checkpoint.torch.PickleValue.Int;
import dev.quern.checkpoint.torch.PickleValue.Items;
import dev.quern.checkpoint.torch.PickleValue.Members;
import dev.quern.checkpoint.torch.PickleValue.Storage;
import dev.quern.checkpoint.torch.PickleValue.Tensor;
import dev.quern.checkpoint.torch.PickleValue.Text;
import dev.quern.checkpoint.torch.PickleValue.Truth;
import dev.quern.checkpoint.torch.PickleValue.Tuple;
import dev.quern.io.InputException;
import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;

/** What REDUCE makes of the functions in {@link Globals}: each with exactly the arguments torch.save gives it. */
final class Calls {
    /** The same in Quern's other readers; PyTorch has no more useful dimensions. */
    private static final int MAX_RANK = 8;

    private final Unpickler.Refusals refusals;
    private final IntConsumer newEntries;

    /** @param newEntries is told of entries before they are made, and may refuse */
    Calls(Unpickler.Refusals refusals, IntConsumer newEntries) {
        this.refusals = refusals;
        this.newEntries = newEntries;
    }

    PickleValue call(Function function, Tuple arguments) {
        List<PickleValue> given = arguments.items;
        return switch (function) {
            case ORDERED_DICT -> orderedDict(given);
            case COUNTER, DEFAULT_DICT -> new Dict(true);
            case REBUILD_TENSOR -> tensor(function, given, 4, 4);
            case REBUILD_TENSOR_V2 -> tensor(function, given, 6, 7);
            case REBUILD_TENSOR_V3 -> tensorV3(given);
            case REBUILD_PARAMETER -> parameter(function, given, 3);
            case REBUILD_PARAMETER_WITH_STATE -> parameter(function, given, 4);
            case REBUILD_FROM_TYPE_V2 -> fromType(given);
            case SIZE, DEVICE, COMPLEX -> new Inert("a " + function);
            case SET, FROZEN_SET -> new Members();
            case ENCODE -> encode(given);
            case BYTE_ARRAY -> byteArray(given);
            case TENSOR, PARAMETER, BUFFER, DICT, LIST, INTEGER, FLOAT -> throw refusals.refused("calls " + function);
        };
    }

    /** Python 3 sets the items afterwards, Python 2 gives them as a list of pairs. */
    private Dict orderedDict(List<PickleValue> given) {
        Dict dict = new Dict(true);
        if (given.isEmpty()) {
            return dict;
        }
        if (given.size() != 1 || !(given.getFirst() instanceof Items pairs)) {
            throw wrong(Function.ORDERED_DICT, "expected nothing or one list of pairs");
        }
        newEntries.accept(pairs.items.size());
        for (PickleValue pair : pairs.items) {
            List<PickleValue> both = switch (pair) {
                case Items list -> list.items;
                case Tuple tuple -> tuple.items;
                default -> List.of();
            };
            if (both.size() != 2) {
                throw wrong(Function.ORDERED_DICT, "expected pairs, found " + PickleValue.kind(pair));
            }
            Unpickler.put(dict, both.get(0), both.get(1), refusals);
        }
        return dict;
    }

    /** (storage, offset, size, stride[, requires_grad, backward_hooks[, metadata]]) */
    private Tensor tensor(Function function, List<PickleValue> given, int least, int most) {
        checkCount(function, given, least, most);
        Storage storage = storage(function, given.getFirst());
        TorchType type = storage.type().orElseThrow(() -> wrong(function, "an untyped storage has no element type"));
        if (given.size() > 4) {
            checkGradient(function, given.get(4), given.get(5));
        }
        if (given.size() == 7) {
            checkMetadata(function, given.get(6));
        }
        return view(function, given, storage, type);
    }

    /** (storage, offset, size, stride, requires_grad, backward_hooks, dtype[, metadata]) */
    private Tensor tensorV3(List<PickleValue> given) {
        Function function = Function.REBUILD_TENSOR_V3;
        checkCount(function, given, 7, 8);
        Storage storage = storage(function, given.getFirst());
        if (storage.type().isPresent()) {
            throw wrong(
                    function,
                    "expected an untyped storage, found one of "
                            + storage.type().get());
        }
        checkGradient(function, given.get(4), given.get(5));
        if (!(given.get(6) instanceof ElementType element)) {
            throw wrong(function, "expected a dtype, found " + PickleValue.kind(given.get(6)));
        }
        if (given.size() == 8) {
            checkMetadata(function, given.get(7));
        }
        return view(function, given, storage, element.type());
    }

    private Tensor view(Function function, List<PickleValue> given, Storage storage, TorchType type) {
        return new Tensor(
                storage,
                type,
                integer(function, "offset", given.get(1)),
                integers(function, "size", given.get(2)),
                integers(function, "stride", given.get(3)));
    }

    /** (data, requires_grad, backward_hooks[, state]) */
    private PickleValue parameter(Function function, List<PickleValue> given, int count) {
        checkCount(function, given, count, count);
        checkGradient(function, given.get(1), given.get(2));
        if (!(given.getFirst() instanceof Tensor)) {
            throw wrong(function, "expected a tensor, found " + PickleValue.kind(given.getFirst()));
        }
        return given.getFirst();
    }

    /** (function, type, arguments, state): a tensor with Python attributes, which say nothing about its values. */
    private PickleValue fromType(List<PickleValue> given) {
        Function function = Function.REBUILD_FROM_TYPE_V2;
        checkCount(function, given, 4, 4);
        if (!(given.get(0) instanceof Callable inner
                && (inner.function() == Function.REBUILD_TENSOR_V2
                        || inner.function() == Function.REBUILD_TENSOR_V3
                        || inner.function() == Function.REBUILD_PARAMETER))) {
            throw wrong(function, "cannot rebuild by " + PickleValue.kind(given.get(0)));
        }
        if (!(given.get(1) instanceof Callable type
                && (type.function() == Function.TENSOR
                        || type.function() == Function.PARAMETER
                        || type.function() == Function.BUFFER))) {
            throw wrong(function, "cannot make " + PickleValue.kind(given.get(1)) + " of a tensor");
        }
        if (!(given.get(2) instanceof Tuple arguments)) {
            throw wrong(function, "expected a tuple of arguments, found " + PickleValue.kind(given.get(2)));
        }
        return call(inner.function(), arguments);
    }

    /** How Python 2-compatible pickles write bytes; other codecs could decompress or run. */
    private PickleValue encode(List<PickleValue> given) {
        if (given.size() == 2
                && given.get(0) instanceof Text text
                && given.get(1) instanceof Text codec
                && codec.value().toLowerCase(Locale.ROOT).equals("latin1")) {
            return new Bytes(text.value());
        }
        throw wrong(Function.ENCODE, "expected a text and 'latin1'");
    }

    private PickleValue byteArray(List<PickleValue> given) {
        boolean copies = given.isEmpty()
                || given.size() == 1 && given.getFirst() instanceof Bytes
                || given.size() == 2 && given.get(0) instanceof Text && given.get(1) instanceof Text;
        if (!copies) {
            // bytearray(n) would be n bytes out of nothing.
            throw wrong(Function.BYTE_ARRAY, "expected bytes or a text with its encoding");
        }
        return new Inert("a bytearray");
    }

    private void checkCount(Function function, List<PickleValue> given, int least, int most) {
        if (given.size() < least || given.size() > most) {
            String expected = least == most ? "" + least : least + " to " + most;
            throw wrong(function, "expected " + expected + " arguments, found " + given.size());
        }
    }

    private void checkGradient(Function function, PickleValue requiresGradient, PickleValue hooks) {
        if (!(requiresGradient instanceof Truth)) {
            throw wrong(function, "requires_grad: expected True or False, found " + PickleValue.kind(requiresGradient));
        }
        if (!(hooks instanceof Dict)) {
            throw wrong(function, "backward_hooks: expected a dict, found " + PickleValue.kind(hooks));
        }
    }

    /** Lazy conjugation and negation change every value that is read; nothing else has been seen here. */
    private void checkMetadata(Function function, PickleValue metadata) {
        if (!(metadata instanceof Dict dict)) {
            throw wrong(function, "metadata: expected a dict, found " + PickleValue.kind(metadata));
        }
        for (String bit : List.of("conj", "neg")) {
            if (dict.entries.get(bit) instanceof Truth(boolean set) && set) {
                throw wrong(function, "is a lazy " + bit + " view")
                        .withHint("call resolve_conj() or resolve_neg() on the tensor before saving it");
            }
        }
    }

    private Storage storage(Function function, PickleValue value) {
        if (value instanceof Storage storage) {
            return storage;
        }
        throw wrong(function, "expected a storage, found " + PickleValue.kind(value));
    }

    private long integer(Function function, String what, PickleValue value) {
        if (value instanceof Int(long number)) {
            return number;
        }
        throw wrong(function, what + ": expected an integer, found " + PickleValue.kind(value));
    }

    private long[] integers(Function function, String what, PickleValue value) {
        if (!(value instanceof Tuple tuple)) {
            throw wrong(function, what + ": expected a tuple, found " + PickleValue.kind(value));
        }
        if (tuple.items.size() > MAX_RANK) {
            throw wrong(function, what + ": has " + tuple.items.size() + " dimensions, more than " + MAX_RANK);
        }
        return tuple.items.stream()
                .mapToLong(item -> integer(function, what, item))
                .toArray();
    }

    private InputException wrong(Function function, String problem) {
        return refusals.refused("calls " + function + ": " + problem);
    }
}
