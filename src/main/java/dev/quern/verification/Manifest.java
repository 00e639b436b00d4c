package dev.quern.verification;

import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.io.Quoted;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.Progress;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A list of hashes to hold files against, in either of two forms, line by line: llama-gguf-hash's
 * {@code sha256  HEX  file.gguf[:tensor]}, and sha256sum's {@code HEX  file}.
 */
public final class Manifest {
    private static final Pattern HASHES = Pattern.compile("(\\S+)\\s+(\\S+)\\s+(.+)");

    /** A manifest names tensors, so it is small; whoever gives another file should not wait for it to be read. */
    private static final long LARGEST = 256 << 20;

    private final Path path;
    private final List<Entry> entries;

    private Manifest(Path path, List<Entry> entries) {
        this.path = path;
        this.entries = entries;
    }

    /** @param wholeFile whether the hash is of all of the file's bytes (sha256sum) or of its tensor data */
    private record Entry(HashKind kind, String value, String subject, boolean wholeFile) {}

    /**
     * @param checked lines that were about the file
     * @param problems what differs, one line each; none when the file is what the manifest says
     */
    public record Result(int checked, List<String> problems) {
        public Result {
            problems = List.copyOf(problems);
        }
    }

    /**
     * Refuses before a conversion what {@link #write} would be refused after it.
     *
     * @throws RefusedException when the manifest is one of the inputs or outputs, or exists (without {@code overwrite})
     */
    public static void check(Path manifest, List<Conversion.Output> outputs, Inputs inputs, boolean overwrite) {
        for (Conversion.Output output : outputs) {
            if (manifest.toAbsolutePath()
                    .normalize()
                    .equals(output.target().toAbsolutePath().normalize())) {
                throw new RefusedException(manifest, "is the output itself", "give the manifest another name");
            }
        }
        OutputFile.create(manifest, 0, inputs.paths(), overwrite).close();
    }

    /**
     * Lists the tensors' hashes that a conversion has taken, in llama-gguf-hash's form. The files' names stand there
     * without their directories, so the manifest is checked where the files are.
     *
     * @throws dev.quern.io.OutputException when it cannot be written; the outputs stay
     */
    public static void write(Path manifest, List<Conversion.Written> files, boolean overwrite) {
        OutputFile.write(manifest, text(files), List.of(), overwrite);
    }

    private static String text(List<Conversion.Written> files) {
        StringBuilder lines = new StringBuilder();
        for (Conversion.Written file : files) {
            for (Conversion.Hashed tensor : file.tensors()) {
                String subject = file.file().getFileName() + ":" + tensor.tensor();
                lines.append(new TensorHashes.Line(HashKind.SHA256, tensor.sha256(), subject).text())
                        .append('\n');
            }
        }
        return lines.toString();
    }

    /** @throws InputException when a line is in neither form */
    public static Manifest read(Path path) {
        List<String> lines;
        try {
            if (Files.size(path) > LARGEST) {
                throw InputException.expected(
                        path, "manifest", "at most " + LARGEST + " bytes", Files.size(path) + " bytes");
            }
            lines = Files.readAllLines(path);
        } catch (MalformedInputException e) {
            throw InputException.of(path, "expected a manifest, found bytes that are no UTF-8 text")
                    .withCause(e);
        } catch (IOException e) {
            throw InputException.of(path, "cannot be read: " + e.getMessage()).withCause(e);
        }
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (!line.isEmpty() && !line.startsWith("#")) {
                entries.add(entry(path, i + 1, line));
            }
        }
        return new Manifest(path, entries);
    }

    private static Entry entry(Path path, int number, String line) {
        Optional<Sha256Sums.Line> sum = Sha256Sums.Line.parse(line);
        if (sum.isPresent()) {
            return new Entry(
                    HashKind.SHA256, lower(sum.get().sha256()), sum.get().file(), true);
        }
        Matcher hashes = HASHES.matcher(line);
        if (hashes.matches()) {
            String value = lower(hashes.group(2));
            var kind = HashKind.fromLabel(hashes.group(1));
            if (kind.isPresent() && kind.get().canBe(value)) {
                return new Entry(kind.get(), value, hashes.group(3), false);
            }
        }
        throw InputException.expected(
                path,
                "line " + number,
                "\"HASH-NAME HASH FILE[:TENSOR]\" or \"SHA256  FILE\"",
                Quoted.of(line.length() > 100 ? line.substring(0, 100) : line));
    }

    private static String lower(String hex) {
        return hex.toLowerCase(java.util.Locale.ROOT);
    }

    /**
     * Compares a file with the lines about it.
     *
     * @throws InputException when no line is about the file
     */
    public Result check(Path file, Progress progress) {
        String name = String.valueOf(file.getFileName());
        Map<String, Entry> expected = new LinkedHashMap<>();
        Set<HashKind> kinds = EnumSet.noneOf(HashKind.class);
        List<String> problems = new ArrayList<>();
        int checked = 0;
        for (Entry entry : entries) {
            if (entry.wholeFile()) {
                if (!entry.subject().equals(name) && !entry.subject().endsWith("/" + name)) {
                    continue;
                }
                checked++;
                String found = TensorHashes.ofFile(file, entry.kind(), progress);
                if (!found.equals(entry.value())) {
                    problems.add(
                            "the file: expected " + entry.kind().label() + " " + entry.value() + ", found " + found);
                }
            } else if (subject(entry, name) != null) {
                checked++;
                kinds.add(entry.kind());
                expected.put(entry.kind() + " " + subject(entry, name), entry);
            }
        }
        if (checked == 0) {
            throw InputException.of(path, "has no line about " + Quoted.of(name))
                    .withHint("lines name files by their last name; was the file renamed?");
        }
        if (!kinds.isEmpty()) {
            compare(file, name, kinds, expected, progress, problems);
        }
        return new Result(checked, problems);
    }

    private static void compare(
            Path file,
            String name,
            Set<HashKind> kinds,
            Map<String, Entry> expected,
            Progress progress,
            List<String> problems) {
        boolean tensors = expected.keySet().stream().anyMatch(key -> !key.endsWith(" "));
        for (TensorHashes.Line line : TensorHashes.of(file, kinds, tensors, progress)) {
            String tensor = line.subject().substring(name.length());
            Entry entry = expected.remove(line.kind() + " " + tensor);
            if (entry != null && !entry.value().equals(line.value())) {
                problems.add((tensor.isEmpty() ? "all tensors together" : "tensor " + Quoted.of(tensor.substring(1)))
                        + ": expected " + line.kind().label() + " " + entry.value() + ", found " + line.value());
            }
        }
        expected.values()
                .forEach(entry -> problems.add(Quoted.of(entry.subject()) + " is in the manifest and not in the file"));
    }

    /** {@code :tensor}, or the empty text for the whole file's tensors, or null when it is another file's. */
    private static @org.jspecify.annotations.Nullable String subject(Entry entry, String name) {
        String subject = entry.subject();
        // The names in a manifest may have directories before them.
        int at = subject.startsWith(name) ? 0 : subject.indexOf("/" + name) + 1;
        if (at == 0 && !subject.startsWith(name)) {
            return null;
        }
        String rest = subject.substring(at + name.length());
        return rest.isEmpty() || rest.startsWith(":") ? rest : null;
    }
}
