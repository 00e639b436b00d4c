package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.PickleValue.Dict;
import dev.quern.checkpoint.torch.PickleValue.Int;
import dev.quern.checkpoint.torch.PickleValue.Items;
import dev.quern.checkpoint.torch.PickleValue.Storage;
import dev.quern.checkpoint.torch.PickleValue.Text;
import dev.quern.checkpoint.torch.PickleValue.Truth;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * torch.save's format before 1.6, and since then with {@code _use_new_zipfile_serialization=False}: five pickles (a
 * magic number, a protocol version, facts about the machine, the object, the list of storage keys), then in the list's
 * order each storage, as a count of elements in 64 bits and their bytes. There are no checksums.
 */
final class TorchLegacy implements TorchArchive {
    /** torch/serialization.py, PROTOCOL_VERSION: the same in every release that wrote this format. */
    private static final long PROTOCOL_VERSION = 1001;

    private final MappedFile file;
    private final Region bytes;
    private final StorageTable storages = new StorageTable(true);
    private final Map<String, Region> records = new HashMap<>();
    private final List<String> notes = new ArrayList<>();
    private final PickleValue root;
    private long next;

    static TorchLegacy read(MappedFile file) {
        return new TorchLegacy(file);
    }

    private TorchLegacy(MappedFile file) {
        this.file = file;
        this.bytes = file.region();
        unpickle("magic number");
        checkProtocol();
        checkMachine();
        this.root = unpickle("object");
        readRecords(unpickle("storage keys"));
    }

    @Override
    public PickleValue root() {
        return root;
    }

    @Override
    public Region storage(Storage storage) {
        Region record = records.get(storage.key());
        if (record == null) {
            throw new IllegalStateException("storage " + storage.key());
        }
        return record.slice(storage.first() * storage.width(), storage.bytes());
    }

    /** Elements are little-endian whatever the machine: torch turned them around when it wrote on another. */
    @Override
    public ByteOrder order() {
        return ByteOrder.LITTLE_ENDIAN;
    }

    @Override
    public List<String> notes() {
        return List.copyOf(notes);
    }

    @Override
    public boolean hasChecksums() {
        return false;
    }

    @Override
    public void verifyStorages() {}

    private PickleValue unpickle(String part) {
        Unpickler unpickler = new Unpickler(file.path(), part, bytes.segment(), next, storages);
        PickleValue value = unpickler.read();
        next = unpickler.position();
        return value;
    }

    private void checkProtocol() {
        if (!(unpickle("protocol version") instanceof Int(long version)) || version != PROTOCOL_VERSION) {
            throw refused("has another protocol version than " + PROTOCOL_VERSION);
        }
    }

    /** Torch never looks at this. No file of a big-endian machine is known, so what its bytes mean cannot be checked. */
    private void checkMachine() {
        if (!(unpickle("machine facts") instanceof Dict machine)) {
            throw refused("holds no dict of facts about the machine it was written on");
        }
        if (!(machine.entries.get("little_endian") instanceof Truth(boolean little) && little)) {
            throw refused("was not written on a little-endian machine")
                    .withHint("load it with torch there and save it again");
        }
    }

    private void readRecords(PickleValue keys) {
        if (!(keys instanceof Items list)) {
            throw refused("has " + PickleValue.kind(keys) + " where the list of storage keys belongs");
        }
        Map<String, Storage> named = new HashMap<>();
        storages.storages().forEach(storage -> named.put(storage.key(), storage));
        for (PickleValue key : list.items) {
            if (!(key instanceof Text(String name))) {
                throw refused("lists " + PickleValue.kind(key) + " as a storage key, expected a text");
            }
            Storage storage = named.get(name);
            if (storage == null) {
                // Without its type nobody knows how many bytes its elements take, and so where the next one begins.
                throw refused("lists a storage that no tensor refers to");
            }
            if (records.put(name, record(storage)) != null) {
                throw refused("lists storage " + name + " twice");
            }
        }
        for (Storage storage : storages.storages()) {
            if (!records.containsKey(storage.key())) {
                // Torch returns such a tensor with whatever was in its memory.
                throw refused("storage " + storage.key() + " is not in the list of storage keys");
            }
        }
        if (next != bytes.length()) {
            throw refused((bytes.length() - next) + " bytes after the last storage");
        }
    }

    private Region record(Storage storage) {
        if (bytes.length() - next < Long.BYTES) {
            throw cut(storage, Long.BYTES);
        }
        long count = bytes.i64(next);
        if (count != storage.recorded()) {
            throw refused(
                    "storage " + storage.key() + ": expected " + storage.recorded() + " elements, found " + count);
        }
        next += Long.BYTES;
        if (bytes.length() - next < storage.recordedBytes()) {
            throw cut(storage, storage.recordedBytes());
        }
        Region record = bytes.slice(next, storage.recordedBytes());
        next += record.length();
        return record;
    }

    private InputException cut(Storage storage, long expected) {
        return refused("storage " + storage.key() + ": expected " + expected + " bytes, the file ends after "
                        + (bytes.length() - next))
                .withHint("the download may be truncated");
    }

    private InputException refused(String problem) {
        return InputException.of(file.path(), problem);
    }
}
