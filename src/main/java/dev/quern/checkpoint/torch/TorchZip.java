package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.PickleValue.Storage;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * torch.save's zip format, since 1.6: under one top folder {@code data.pkl}, {@code version}, {@code byteorder} and the
 * storages {@code data/<key>}, stored as they are.
 */
final class TorchZip implements TorchArchive {
    /** torch writes data.pkl stored; other packers deflate it, and a real one is well below this. */
    private static final int MAX_INFLATED_PICKLE = 16 << 20;

    private static final long MAX_PICKLE = 256 << 20;
    private static final int MAX_TEXT = 64;

    /** caffe2/serialize/versions.h: kMinSupportedFileFormatVersion to kMaxSupportedFileFormatVersion. */
    private static final int LAST_VERSION = 10;

    private final MappedFile file;
    private final Map<String, ZipMember> members = new HashMap<>();
    private final StorageTable storages = new StorageTable(false);
    private final ByteOrder order;
    private final PickleValue root;
    private final List<String> notes = new ArrayList<>();

    static TorchZip read(MappedFile file) {
        return new TorchZip(file);
    }

    private TorchZip(MappedFile file) {
        this.file = file;
        collect(ZipMembers.read(file));
        checkVersion();
        this.order = byteOrder();
        this.root = unpickle();
        checkStorages();
        noteOddities();
    }

    @Override
    public PickleValue root() {
        return root;
    }

    @Override
    public List<String> notes() {
        return List.copyOf(notes);
    }

    @Override
    public ByteOrder order() {
        return order;
    }

    @Override
    public Region storage(Storage storage) {
        return storageMember(storage).data();
    }

    @Override
    public boolean hasChecksums() {
        return storages.storages().stream()
                .map(this::storageMember)
                .anyMatch(member -> member.hasCrc() && member.size() > 0);
    }

    @Override
    public void verifyStorages() {
        storages.storages().forEach(storage -> storageMember(storage).verifyStored());
    }

    private void collect(List<ZipMember> all) {
        String top = "";
        for (ZipMember member : all) {
            int slash = member.name().indexOf('/');
            if (slash < 0) {
                throw member.refused("lies in no folder, expected all members in one");
            }
            if (!top.isEmpty() && !member.name().startsWith(top)) {
                throw member.refused("lies outside the folder " + Quoted.of(top));
            }
            top = member.name().substring(0, slash + 1);
            members.put(member.name().substring(top.length()), member);
        }
        if (members.containsKey("constants.pkl")) {
            throw InputException.of(file.path(), "is a TorchScript archive, a program and not a checkpoint")
                    .withHint("load it with torch.jit.load and save its state_dict() with torch.save");
        }
        if (!members.containsKey("data.pkl")) {
            throw InputException.of(file.path(), "is a zip file without data.pkl, so not one of torch.save");
        }
    }

    private void checkVersion() {
        String found =
                text("version").orElseThrow(() -> InputException.of(file.path(), "is a zip file without version"));
        boolean supported = found.strip().matches("[0-9]{1,2}")
                && Integer.parseInt(found.strip()) >= 1
                && Integer.parseInt(found.strip()) <= LAST_VERSION;
        if (!supported) {
            throw member("version").refused("expected 1 to " + LAST_VERSION + ", found " + Quoted.of(found));
        }
    }

    /** Torch before 2.1 wrote none, and only on little-endian machines that anybody used. */
    private ByteOrder byteOrder() {
        String found = text("byteorder").orElse("little").strip();
        return switch (found) {
            case "little" -> ByteOrder.LITTLE_ENDIAN;
            case "big" -> ByteOrder.BIG_ENDIAN;
            default -> throw member("byteorder").refused("expected little or big, found " + Quoted.of(found));
        };
    }

    private PickleValue unpickle() {
        ZipMember pickle = member("data.pkl");
        if (pickle.size() > MAX_PICKLE) {
            throw pickle.refused("is " + pickle.size() + " bytes, more than the " + MAX_PICKLE + " Quern reads");
        }
        Unpickler unpickler = new Unpickler(file.path(), "data.pkl", pickle.contents(MAX_INFLATED_PICKLE), 0, storages);
        PickleValue result = unpickler.read();
        if (unpickler.position() != pickle.size()) {
            throw pickle.refused("goes on for " + (pickle.size() - unpickler.position()) + " bytes after STOP");
        }
        return result;
    }

    private void checkStorages() {
        for (Storage storage : storages.storages()) {
            ZipMember member = storageMember(storage);
            if (member.deflated()) {
                throw member.refused("is compressed; torch stores weights as they are")
                        .withHint("load the file with torch and save it again");
            }
            if (member.size() != storage.bytes()) {
                throw member.refused("expected " + storage.bytes() + " bytes (" + storage.elements() + " elements of "
                        + storage.type().map(TorchType::toString).orElse("untyped bytes") + "), found "
                        + member.size());
            }
        }
    }

    private void noteOddities() {
        Set<String> used = new HashSet<>();
        storages.storages().forEach(storage -> used.add("data/" + storage.key()));
        long unused = members.keySet().stream()
                .filter(name -> name.startsWith("data/") && !used.contains(name))
                .count();
        if (unused > 0) {
            notes.add(file.path() + ": " + unused + " members under data/ that no tensor refers to");
        }
        long unsummed = members.values().stream().filter(m -> !m.hasCrc()).count();
        if (unsummed == members.size()) {
            notes.add(file.path() + ": saved without checksums; if by torch's skip_data(), all weights are zero");
        } else if (unsummed > 0) {
            notes.add(file.path() + ": " + unsummed + " members without a checksum among others that have one");
        }
    }

    private ZipMember storageMember(Storage storage) {
        ZipMember member = members.get("data/" + storage.key());
        if (member == null) {
            throw InputException.of(file.path(), "storage " + storage.key() + ": the zip has no data/" + storage.key());
        }
        return member;
    }

    private Optional<String> text(String name) {
        ZipMember member = members.get(name);
        if (member == null) {
            return Optional.empty();
        }
        if (member.size() > MAX_TEXT) {
            throw member.refused("is " + member.size() + " bytes, expected a word");
        }
        return Optional.of(
                new String(member.contents(MAX_TEXT).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1));
    }

    private ZipMember member(String name) {
        ZipMember member = members.get(name);
        if (member == null) {
            throw InputException.of(file.path(), "is a zip file without " + name);
        }
        return member;
    }
}
