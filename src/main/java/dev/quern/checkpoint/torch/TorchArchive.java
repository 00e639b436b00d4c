package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.PickleValue.Storage;
import dev.quern.io.Region;
import java.nio.ByteOrder;
import java.util.List;

/** A container of torch.save: one pickle, and the storages that its tensors look into. */
sealed interface TorchArchive permits TorchZip, TorchLegacy {
    /** What the pickle holds; every storage that it names is there, with as many bytes as it says. */
    PickleValue root();

    /** The bytes of a storage. Checksums are not looked at: that would read every weight once more. */
    Region storage(Storage storage);

    /** Of the elements in the storages. */
    ByteOrder order();

    /** What is odd but no reason to refuse the file, one line each. */
    List<String> notes();

    /** Whether some storage has a checksum. */
    boolean hasChecksums();

    /** Reads every storage and holds it against its checksum; those without one pass. */
    void verifyStorages();
}
