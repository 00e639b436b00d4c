package dev.quern.checkpoint.torch;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;

/**
 * The end of a zip file: where its central directory lies and how many records it has (APPNOTE 6.3.10, 4.3.14-4.3.16).
 * There is exactly one, it ends with the file's last byte, and 32-bit and 64-bit records agree.
 */
record ZipEnd(long directoryAt, long directoryBytes, long members) {
    private static final int END = 0x06054b50;
    private static final int END_BYTES = 22;
    private static final int END_64 = 0x06064b50;
    private static final int END_64_BYTES = 56;
    private static final int LOCATOR_64 = 0x07064b50;
    private static final int LOCATOR_64_BYTES = 20;
    private static final int LONGEST_COMMENT = 65_535;

    static ZipEnd find(MappedFile file) {
        Region bytes = file.region();
        long end = bytes.length() - END_BYTES;
        long lowest = Math.max(0, end - LONGEST_COMMENT);
        while (end >= lowest && bytes.i32(end) != END) {
            end--;
        }
        if (end < lowest) {
            throw refused(file, "the zip's end record is missing").withHint("the download may be truncated");
        }
        long after = bytes.length() - END_BYTES - end;
        if (after != 0) {
            boolean comment = bytes.u16(end + 20) == after;
            throw refused(file, after + (comment ? " bytes of comment" : " bytes") + " after the zip's end record");
        }
        ZipEnd found = isZip64(bytes, end) ? read64(file, bytes, end) : read32(file, bytes, end);
        long directoryEnd = isZip64(bytes, end) ? end - LOCATOR_64_BYTES - END_64_BYTES : end;
        checkPlace(file, bytes, found, directoryEnd);
        return found;
    }

    private static boolean isZip64(Region bytes, long end) {
        return end >= LOCATOR_64_BYTES && bytes.i32(end - LOCATOR_64_BYTES) == LOCATOR_64;
    }

    private static ZipEnd read32(MappedFile file, Region bytes, long end) {
        if (bytes.u16(end + 4) != 0 || bytes.u16(end + 6) != 0) {
            throw refused(file, "the zip is spread over several disks");
        }
        if (bytes.u16(end + 8) != bytes.u16(end + 10)) {
            throw refused(
                    file,
                    "the zip's end record counts " + bytes.u16(end + 8) + " and " + bytes.u16(end + 10) + " members");
        }
        return new ZipEnd(bytes.u32(end + 16), bytes.u32(end + 12), bytes.u16(end + 10));
    }

    private static ZipEnd read64(MappedFile file, Region bytes, long end) {
        long locator = end - LOCATOR_64_BYTES;
        long at = locator - END_64_BYTES;
        if (at < 0 || bytes.i32(at) != END_64 || bytes.i64(at + 4) != END_64_BYTES - 12) {
            throw refused(file, "the zip's 64-bit end record is missing");
        }
        if (bytes.i64(locator + 8) != at) {
            throw shifted(file, bytes, at - bytes.i64(locator + 8), "the zip's 64-bit end record");
        }
        if (bytes.i32(locator + 4) != 0
                || bytes.i32(locator + 16) != 1
                || bytes.i32(at + 16) != 0
                || bytes.i32(at + 20) != 0) {
            throw refused(file, "the zip is spread over several disks");
        }
        ZipEnd found = new ZipEnd(bytes.i64(at + 48), bytes.i64(at + 40), bytes.i64(at + 32));
        boolean agree = bytes.i64(at + 24) == found.members
                && agrees(bytes.u16(end + 8), 0xffff, found.members)
                && agrees(bytes.u16(end + 10), 0xffff, found.members)
                && agrees(bytes.u32(end + 12), 0xffff_ffffL, found.directoryBytes)
                && agrees(bytes.u32(end + 16), 0xffff_ffffL, found.directoryAt);
        if (!agree) {
            throw refused(file, "the zip's 64-bit end record says other than its 32-bit one");
        }
        return found;
    }

    /** A 32-bit field repeats the 64-bit one or has all bits set, which defers to it. */
    private static boolean agrees(long narrow, long deferred, long wide) {
        return narrow == deferred || narrow == wide;
    }

    private static void checkPlace(MappedFile file, Region bytes, ZipEnd found, long directoryEnd) {
        if (found.directoryAt < 0 || found.directoryBytes < 0 || found.directoryBytes > directoryEnd) {
            throw refused(file, "the zip's directory lies outside the file");
        }
        long before = directoryEnd - found.directoryBytes - found.directoryAt;
        if (before == 0) {
            return;
        }
        throw shifted(file, bytes, before, "the zip's directory");
    }

    /** Places count from the zip's own start, so a zip behind another one seems to lie elsewhere. */
    private static InputException shifted(MappedFile file, Region bytes, long before, String what) {
        if (before >= END_BYTES && before <= bytes.length() && bytes.i32(before - END_BYTES) == END) {
            return refused(file, "several zip files one after another, as torch.distributed writes its .distcp files")
                    .withHint("convert it first: python -m torch.distributed.checkpoint.format_utils dcp_to_torch");
        }
        return refused(file, what + " is not where the zip's end says");
    }

    private static InputException refused(MappedFile file, String problem) {
        return InputException.of(file.path(), problem);
    }
}
