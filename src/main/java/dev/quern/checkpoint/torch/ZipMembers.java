package dev.quern.checkpoint.torch;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;

/**
 * The members of a zip file, read by commons-compress from the central directory and then held against the file: the
 * members and their headers fill it from the first byte to the central directory, without gaps or overlaps, and every
 * local header says what the directory says. Two readers of such a file cannot see different contents.
 */
final class ZipMembers {
    private static final int MAX_MEMBERS = 200_000;
    private static final int LOCAL_HEADER = 0x04034b50;
    private static final int LOCAL_HEADER_BYTES = 30;
    private static final int DIRECTORY_HEADER = 0x02014b50;
    private static final int DIRECTORY_HEADER_BYTES = 46;
    private static final int DESCRIPTOR = 0x08074b50;
    private static final int STORED = 0;
    private static final int DEFLATED = 8;

    private static final int FLAG_DESCRIPTOR = 0x8;
    /** Encryption, patched data, strong encryption, masked headers. */
    private static final int FLAGS_REFUSED = 0x1 | 0x20 | 0x40 | 0x2000;

    private final MappedFile file;
    private final Region bytes;
    private final List<ZipMember> members = new ArrayList<>();

    private ZipMembers(MappedFile file) {
        this.file = file;
        this.bytes = file.region();
    }

    /** All members, in the order they lie in the file; folders are left out. */
    static List<ZipMember> read(MappedFile file) {
        ZipEnd end = ZipEnd.find(file);
        ZipMembers reader = new ZipMembers(file);
        reader.checkDirectory(end);
        List<ZipArchiveEntry> entries = reader.entries();
        entries.forEach(reader::checkEntry);
        long next = 0;
        for (ZipArchiveEntry entry : entries) {
            next = reader.add(entry, next, end.directoryAt());
        }
        if (next != end.directoryAt()) {
            throw InputException.of(
                    file.path(), (end.directoryAt() - next) + " bytes before the zip's directory belong to no member");
        }
        reader.checkNames();
        return List.copyOf(reader.members);
    }

    /** Counts the records before they become objects. */
    private void checkDirectory(ZipEnd end) {
        if (end.members() < 0 || end.members() > MAX_MEMBERS) {
            throw InputException.of(
                    file.path(),
                    "the zip has " + Long.toUnsignedString(end.members()) + " members, more than " + MAX_MEMBERS);
        }
        Region directory = bytes.slice(end.directoryAt(), end.directoryBytes());
        long at = 0;
        long found = 0;
        while (at < directory.length()) {
            if (directory.length() - at < DIRECTORY_HEADER_BYTES || directory.i32(at) != DIRECTORY_HEADER) {
                throw InputException.of(
                        file.path(), "byte " + (end.directoryAt() + at), "expected a zip directory record");
            }
            at += DIRECTORY_HEADER_BYTES + directory.u16(at + 28) + directory.u16(at + 30) + directory.u16(at + 32);
            found++;
        }
        if (at != directory.length() || found != end.members()) {
            throw InputException.expected(file.path(), "zip directory", end.members() + " records", found);
        }
    }

    private List<ZipArchiveEntry> entries() {
        try (FileChannel channel = FileChannel.open(file.path(), StandardOpenOption.READ);
                ZipFile zip = ZipFile.builder()
                        .setSeekableByteChannel(channel)
                        .setIgnoreLocalFileHeader(true)
                        .setUseUnicodeExtraFields(false)
                        .get()) {
            return Collections.list(zip.getEntriesInPhysicalOrder());
        } catch (IOException | RuntimeException e) {
            throw InputException.of(file.path(), "the zip's directory cannot be read")
                    .withCause(e);
        }
    }

    /** Checks one member against its local header and returns where the next must begin. */
    private long add(ZipArchiveEntry entry, long expectedAt, long directoryAt) {
        String name = name(entry);
        long at = entry.getLocalHeaderOffset();
        if (at != expectedAt) {
            throw refused(
                    name,
                    at < expectedAt
                            ? "overlaps the member before it"
                            : (at - expectedAt) + " bytes before it belong to no member");
        }
        if (at > directoryAt - LOCAL_HEADER_BYTES || bytes.i32(at) != LOCAL_HEADER) {
            throw refused(name, "has no local header at byte " + at);
        }
        int nameBytes = bytes.u16(at + 26);
        long dataAt = at + LOCAL_HEADER_BYTES + nameBytes + bytes.u16(at + 28);
        if (dataAt > directoryAt || entry.getCompressedSize() > directoryAt - dataAt) {
            throw refused(
                    name,
                    "reaches into the zip's directory: " + entry.getCompressedSize() + " bytes from byte " + dataAt);
        }
        checkLocalHeader(name, entry, at, nameBytes);
        Region data = bytes.slice(dataAt, entry.getCompressedSize());
        if (!entry.isDirectory()) {
            members.add(new ZipMember(
                    file.path(), name, data, entry.getMethod() == DEFLATED, entry.getSize(), entry.getCrc()));
        }
        long dataEnd = dataAt + data.length();
        return (bytes.u16(at + 6) & FLAG_DESCRIPTOR) == 0 ? dataEnd : skipDescriptor(name, entry, dataEnd, directoryAt);
    }

    private String name(ZipArchiveEntry entry) {
        String name = PickleInput.strict(entry.getRawName())
                .orElseThrow(() -> InputException.of(file.path(), "a zip member's name is not valid UTF-8"));
        boolean plain = !name.isEmpty()
                && name.indexOf('\\') < 0
                && name.indexOf('\0') < 0
                && name.indexOf(':') < 0
                && Arrays.stream((name.endsWith("/") ? name.substring(0, name.length() - 1) : name).split("/", -1))
                        .noneMatch(part -> part.isEmpty() || part.equals(".") || part.equals(".."));
        if (!plain) {
            throw refused(name, "is not a plain relative path");
        }
        return name;
    }

    private void checkEntry(ZipArchiveEntry entry) {
        String name = name(entry);
        if ((entry.getRawFlag() & FLAGS_REFUSED) != 0) {
            throw refused(name, String.format("has the flags 0x%04x: encrypted or patched", entry.getRawFlag()));
        }
        if (entry.isUnixSymlink()) {
            throw refused(name, "is a symbolic link");
        }
        if (entry.getDiskNumberStart() != 0) {
            throw refused(name, "lies on another disk");
        }
        if (entry.getMethod() != STORED && entry.getMethod() != DEFLATED) {
            throw refused(name, "uses compression method " + entry.getMethod() + ", expected none or deflate");
        }
        if (entry.getSize() < 0 || entry.getCompressedSize() < 0 || entry.getLocalHeaderOffset() < 0) {
            throw refused(name, "has a size or place beyond 2^63-1");
        }
        if (entry.getMethod() == STORED && entry.getSize() != entry.getCompressedSize()) {
            throw refused(name, "is stored, yet " + entry.getCompressedSize() + " bytes stand for " + entry.getSize());
        }
        if (entry.isDirectory() && entry.getSize() != 0) {
            throw refused(name, "is a folder that holds " + entry.getSize() + " bytes");
        }
    }

    private void checkLocalHeader(String name, ZipArchiveEntry entry, long at, int nameBytes) {
        if (!Arrays.equals(bytes.bytes(at + LOCAL_HEADER_BYTES, nameBytes), entry.getRawName())) {
            throw refused(name, "has another name in its local header");
        }
        if (bytes.u16(at + 6) != entry.getRawFlag() || bytes.u16(at + 8) != entry.getMethod()) {
            throw refused(name, "has other flags or another compression method in its local header");
        }
        boolean deferred = (entry.getRawFlag() & FLAG_DESCRIPTOR) != 0;
        boolean agree = agrees(bytes.u32(at + 14), entry.getCrc(), deferred, false)
                && agrees(bytes.u32(at + 18), entry.getCompressedSize(), deferred, true)
                && agrees(bytes.u32(at + 22), entry.getSize(), deferred, true);
        if (!agree) {
            throw refused(name, "has another size or checksum in its local header");
        }
    }

    /** Sizes beyond 32 bits stand in an extra field (all bits set here); those written afterwards are 0 here. */
    private static boolean agrees(long local, long central, boolean deferred, boolean size) {
        return local == central || deferred && local == 0 || size && local == 0xffff_ffffL;
    }

    /** The descriptor has three fields after an optional signature, sizes in 4 or in 8 bytes. */
    private long skipDescriptor(String name, ZipArchiveEntry entry, long at, long directoryAt) {
        for (int width : new int[] {4, 8}) {
            for (int signature : new int[] {4, 0}) {
                int length = signature + 4 + 2 * width;
                if (length > directoryAt - at || signature == 4 && bytes.i32(at) != DESCRIPTOR) {
                    continue;
                }
                long fields = at + signature;
                long compressed = width == 4 ? bytes.u32(fields + 4) : bytes.i64(fields + 4);
                long size = width == 4 ? bytes.u32(fields + 8) : bytes.i64(fields + 12);
                boolean ends = at + length == directoryAt || bytes.i32(at + length) == LOCAL_HEADER;
                if (ends
                        && bytes.u32(fields) == entry.getCrc()
                        && compressed == entry.getCompressedSize()
                        && size == entry.getSize()) {
                    return at + length;
                }
            }
        }
        throw refused(name, "has a data descriptor that disagrees with the zip's directory");
    }

    /** torch looks names up without regard to case, other readers with it: no two may differ in case alone. */
    private void checkNames() {
        Set<String> seen = new HashSet<>();
        for (ZipMember member : members) {
            if (!seen.add(member.name().toLowerCase(Locale.ROOT))) {
                throw refused(member.name(), "comes twice");
            }
        }
    }

    private InputException refused(String name, String problem) {
        return refused(file.path(), name, problem);
    }

    static InputException refused(Path file, String name, String problem) {
        return InputException.of(file, "zip member " + Quoted.of(name), problem);
    }
}
