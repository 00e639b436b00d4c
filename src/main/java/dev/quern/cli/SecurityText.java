package dev.quern.cli;

import dev.quern.checkpoint.FileSecurity;
import dev.quern.checkpoint.torch.PickleScan;
import dev.quern.io.Quoted;
import dev.quern.report.Json;
import dev.quern.report.Table;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** What {@code quern inspect --security} prints. */
final class SecurityText {
    private SecurityText() {}

    /** @return whether every file is sound */
    static boolean print(List<FileSecurity> files, boolean json) {
        if (json) {
            System.out.println(Json.pretty(files.stream().map(SecurityText::map).toList()));
        } else {
            System.out.print(
                    files.stream().map(SecurityText::text).collect(Collectors.joining(System.lineSeparator())));
        }
        return files.stream().allMatch(FileSecurity::isSound);
    }

    private static String text(FileSecurity file) {
        StringBuilder out = new StringBuilder();
        line(out, file.file() + ": " + file.kind() + (file.pickles().isEmpty() ? ", holds no pickle" : ""));
        for (PickleScan pickle : file.pickles()) {
            line(out, "");
            line(out, Quoted.plain(pickle.part()) + ": a pickle of " + pickle.bytes() + " bytes");
            if (!pickle.globals().isEmpty()) {
                Table table = new Table("GLOBAL", "times", "first at byte", "");
                pickle.globals()
                        .forEach((name, use) -> table.add(
                                PickleScan.printable(name),
                                Long.toString(use.count()),
                                Long.toString(use.firstAt()),
                                use.refusal()
                                        .map(reason -> "REFUSED: " + reason)
                                        .orElse("known")));
                out.append(table.text());
            }
            line(
                    out,
                    "opcodes: "
                            + pickle.opcodes().entrySet().stream()
                                    .map(entry -> entry.getValue() + " " + entry.getKey())
                                    .collect(Collectors.joining(", ")));
            pickle.broken().ifPresent(problem -> line(out, "broken: " + Quoted.plain(problem)));
        }
        if (!file.pickles().isEmpty()) {
            line(out, "");
        }
        file.notes().forEach(note -> line(out, "note: " + Quoted.plain(note)));
        line(out, "checksums: " + Quoted.plain(file.checksums()));
        line(
                out,
                file.refusal()
                        .map(problem -> "refused: " + Quoted.plain(problem))
                        .orElse("nothing is refused"));
        return out.toString();
    }

    private static void line(StringBuilder out, String text) {
        out.append(text).append(System.lineSeparator());
    }

    private static Map<String, Object> map(FileSecurity file) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("file", file.file().toString());
        map.put("kind", file.kind());
        map.put("pickles", file.pickles().stream().map(SecurityText::map).toList());
        map.put("notes", file.notes());
        map.put("checksums", file.checksums());
        map.put("refused", file.refusal().orElse(null));
        return map;
    }

    private static Map<String, Object> map(PickleScan pickle) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("part", pickle.part());
        map.put("bytes", pickle.bytes());
        Map<String, Object> globals = new LinkedHashMap<>();
        pickle.globals().forEach((name, use) -> {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("times", use.count());
            entry.put("first_at", use.firstAt());
            entry.put("refused", use.refusal().orElse(null));
            globals.put(name, entry);
        });
        map.put("globals", globals);
        map.put("opcodes", pickle.opcodes());
        map.put("broken", pickle.broken().orElse(null));
        return map;
    }
}
