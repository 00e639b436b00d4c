package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.PickleValue.Int;
import dev.quern.checkpoint.torch.PickleValue.Storage;
import dev.quern.checkpoint.torch.PickleValue.StorageClass;
import dev.quern.checkpoint.torch.PickleValue.Text;
import dev.quern.checkpoint.torch.PickleValue.Tuple;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The storages that a pickle's persistent ids name: {@code ('storage', class, key, location, elements)}, and before
 * PyTorch 1.6 a sixth part, None or {@code (key, first, elements)} of a view into the storage. The location is where
 * the tensor lived in the program that saved it, and is not used.
 */
final class StorageTable {
    private static final Pattern KEY = Pattern.compile("[0-9]{1,20}");

    /** 16 is the widest element; so bytes never overflow. */
    private static final long MAX_ELEMENTS = Long.MAX_VALUE / 16;

    /** Whole storages, without views. */
    private final Map<String, Storage> byKey = new LinkedHashMap<>();

    private final boolean legacy;

    /** @param legacy whether ids have the six parts of the format before PyTorch 1.6 */
    StorageTable(boolean legacy) {
        this.legacy = legacy;
    }

    Collection<Storage> storages() {
        return byKey.values();
    }

    Storage load(PickleValue id, Unpickler.Refusals refusals) {
        if (!(id instanceof Tuple tuple)) {
            throw refusals.refused("has a persistent id that is " + PickleValue.kind(id) + ", expected a tuple");
        }
        List<PickleValue> parts = tuple.items;
        if (parts.isEmpty() || !(parts.getFirst() instanceof Text(String kind) && kind.equals("storage"))) {
            throw refusals.refused("has a persistent id that is no storage");
        }
        int expected = legacy ? 6 : 5;
        if (parts.size() != expected) {
            throw refusals.refused("has a persistent id of " + parts.size() + " parts, expected " + expected);
        }
        if (!(parts.get(1) instanceof StorageClass type)) {
            throw refusals.refused("has a storage of " + PickleValue.kind(parts.get(1)) + ", expected a storage class");
        }
        if (!(parts.get(2) instanceof Text(String key) && KEY.matcher(key).matches())) {
            throw refusals.refused("has a storage key that is no decimal number");
        }
        if (!(parts.get(3) instanceof Text)) {
            throw refusals.refused("has a storage location that is " + PickleValue.kind(parts.get(3)));
        }
        if (!(parts.get(4) instanceof Int(long elements)) || elements < 0 || elements > MAX_ELEMENTS) {
            throw refusals.refused("has a storage whose element count is " + PickleValue.kind(parts.get(4)));
        }
        Storage storage = new Storage(key, type.type(), elements, 0, elements);
        Storage before = byKey.putIfAbsent(key, storage);
        if (before != null && !before.equals(storage)) {
            throw refusals.refused("names storage " + key + " again with another type or element count");
        }
        return legacy ? view(storage, parts.get(5), refusals) : storage;
    }

    private static Storage view(Storage whole, PickleValue metadata, Unpickler.Refusals refusals) {
        if (metadata == PickleValue.Nothing.NONE) {
            return whole;
        }
        if (!(metadata instanceof Tuple tuple
                && tuple.items.size() == 3
                && tuple.items.get(0) instanceof Text(String key)
                && KEY.matcher(key).matches()
                && tuple.items.get(1) instanceof Int(long first)
                && tuple.items.get(2) instanceof Int(long elements))) {
            throw refusals.refused("has a storage view that is " + PickleValue.kind(metadata)
                    + ", expected None or a key, a place and a count");
        }
        if (first < 0 || elements < 0 || first > whole.elements() - elements) {
            throw refusals.refused("has a view of " + elements + " elements from " + first + " on into storage "
                    + whole.key() + ", which holds " + whole.elements());
        }
        return new Storage(whole.key(), whole.type(), elements, first, whole.elements());
    }
}
