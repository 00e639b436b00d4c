package dev.quern.checkpoint.torch;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import java.util.ArrayList;
import java.util.List;

/** The pickles in a file, whether Quern reads the file or refuses it. */
public final class TorchScan {
    /** Magic number, protocol version, facts about the machine, object, storage keys. */
    private static final List<String> LEGACY_PARTS =
            List.of("magic number", "protocol version", "machine facts", "object", "storage keys");

    private static final int MAX_INFLATED = 16 << 20;

    private TorchScan() {}

    /**
     * Empty for files that hold none. A pickle that breaks off ends the list.
     *
     * @throws InputException when the zip around the pickles is wrong
     */
    public static List<PickleScan> pickles(MappedFile file) {
        return switch (TorchContainer.of(file)) {
            case ZIP -> inZip(file);
            case LEGACY -> oneAfterAnother(file, LEGACY_PARTS);
            case PICKLE -> oneAfterAnother(file, List.of("pickle"));
            default -> List.of();
        };
    }

    private static List<PickleScan> inZip(MappedFile file) {
        List<PickleScan> scans = new ArrayList<>();
        for (ZipMember member : ZipMembers.read(file)) {
            if (member.name().endsWith(".pkl")) {
                scans.add(PickleScan.of(file.path(), member.name(), member.contents(MAX_INFLATED), 0));
            }
        }
        return scans;
    }

    private static List<PickleScan> oneAfterAnother(MappedFile file, List<String> parts) {
        List<PickleScan> scans = new ArrayList<>();
        long next = 0;
        for (String part : parts) {
            PickleScan scan = PickleScan.of(file.path(), part, file.region().segment(), next);
            scans.add(scan);
            if (scan.broken().isPresent()) {
                break;
            }
            next = scan.end();
        }
        return scans;
    }
}
