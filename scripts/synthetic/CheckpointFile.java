package synthetic;

import java.nio.file.Path;
import java.util.List;

/**
 * One file, laid out before its first byte is written.
 *
 * @param bytes what is known in advance
 * @param tensors where tensor data goes
 * @param ending what can be written only when the data's checksums are known
 */
record CheckpointFile(Path path, long size, List<Bytes> bytes, List<Placed> tensors, Ending ending) {
    record Bytes(long at, byte[] content) {}

    record Placed(Tensor.Part part, long at, long size) {}

    interface Ending {
        /** @param crcs CRC-32 of each tensor's data, in the order of {@link CheckpointFile#tensors} */
        List<Bytes> given(int[] crcs);
    }

    /** A file whose bytes are all known, such as a configuration. */
    static CheckpointFile of(Path path, byte[] content) {
        return new CheckpointFile(path, content.length, List.of(new Bytes(0, content)), List.of(), crcs -> List.of());
    }
}
