package dev.quern.checkpoint.torch;

import dev.quern.io.InputException;
import dev.quern.io.Region;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * One member of a zip file.
 *
 * @param data as it lies in the file, deflated or not
 * @param size bytes when inflated
 * @param crc CRC-32 of the inflated bytes; 0 where torch was told to compute none (compute_crc32=False)
 */
record ZipMember(Path file, String name, Region data, boolean deflated, long size, long crc) {
    /** A window over mapped memory that a ByteBuffer can take. */
    private static final long STEP = 1 << 24;

    boolean hasCrc() {
        return crc != 0 || size == 0;
    }

    /**
     * The inflated bytes, checked against size and CRC. Stored members stay where they are.
     *
     * @param maxInflated the most that is inflated to memory
     */
    MemorySegment contents(int maxInflated) {
        MemorySegment contents = deflated ? inflate(maxInflated) : data.segment();
        verify(contents, "the file is damaged: get it again");
        return contents;
    }

    /** Reads a stored member's bytes and holds them against its CRC; what has none passes. */
    void verifyStored() {
        verify(
                data.segment(),
                "the file is damaged: get it again; if another program packed it anew and left a wrong"
                        + " checksum, --no-checksums reads it");
    }

    private void verify(MemorySegment contents, String hint) {
        if (!hasCrc()) {
            return;
        }
        CRC32 sum = new CRC32();
        for (long at = 0; at < contents.byteSize(); at += STEP) {
            sum.update(contents.asSlice(at, Math.min(STEP, contents.byteSize() - at))
                    .asByteBuffer());
        }
        if (sum.getValue() != crc) {
            throw refused(String.format("has the CRC-32 %08x, expected %08x", sum.getValue(), crc))
                    .withHint(hint);
        }
    }

    private MemorySegment inflate(int maxInflated) {
        if (size > maxInflated) {
            throw refused("inflates to " + size + " bytes, more than the " + maxInflated + " Quern inflates");
        }
        // Deflate never makes data much longer, and a ByteBuffer could not hold what is beyond 2 GiB.
        if (data.length() > size + (1 << 20)) {
            throw refused("takes " + data.length() + " bytes to inflate to " + size);
        }
        byte[] out = new byte[(int) size];
        Inflater inflater = new Inflater(true);
        try {
            inflater.setInput(data.segment().asByteBuffer());
            int filled = 0;
            while (filled < out.length) {
                int more = inflater.inflate(out, filled, out.length - filled);
                if (more == 0) {
                    throw refused("inflates to " + filled + " bytes, expected " + size);
                }
                filled += more;
            }
            // One more byte would mean that the directory's size is a lie.
            if (inflater.inflate(new byte[1]) != 0 || !inflater.finished() || inflater.getRemaining() != 0) {
                throw refused("inflates to more than the " + size + " bytes the zip's directory says");
            }
            return MemorySegment.ofArray(out);
        } catch (DataFormatException e) {
            throw refused("cannot be inflated").withCause(e);
        } finally {
            inflater.end();
        }
    }

    InputException refused(String problem) {
        return ZipMembers.refused(file, name, problem);
    }
}
