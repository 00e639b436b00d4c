package dev.quern.cli;

import dev.quern.io.OutputException;
import dev.quern.verification.HashKind;
import dev.quern.verification.TensorHashes;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "hash",
        description = "Prints hashes of a GGUF file's tensors, as llama-gguf-hash does: a manifest for 'quern verify'.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class HashCommand implements Callable<Integer> {
    @Parameters(arity = "1..*", paramLabel = "FILE.gguf", description = "Files to hash.")
    @SuppressWarnings("NullAway.Init")
    List<Path> paths;

    @Option(names = "--sha256", description = "SHA-256 (the default).")
    boolean sha256;

    @Option(names = "--sha1", description = "SHA-1.")
    boolean sha1;

    @Option(names = "--xxh64", description = "XXH64: for accidents, not against malice.")
    boolean xxh64;

    @Option(names = "--uuid", description = "A UUID of all tensor data.")
    boolean uuid;

    @Option(names = "--all", description = "XXH64, SHA-1 and SHA-256.")
    boolean all;

    @Option(names = "--no-layer", description = "One hash of all tensor data, none of single tensors.")
    boolean noLayer;

    @Option(names = "--quiet", description = "Say nothing but errors.")
    boolean quiet;

    @Override
    public Integer call() {
        PrintStream out = System.out;
        for (Path path : paths) {
            TensorHashes.of(path, kinds(), !noLayer, new Talk(quiet).progress("bytes"))
                    .forEach(line -> out.println(line.text()));
        }
        // A PrintStream swallows what the system says of a full disk or a closed pipe.
        if (out.checkError()) {
            throw OutputException.of(Path.of("stdout"), "could not be written");
        }
        return 0;
    }

    private Set<HashKind> kinds() {
        Set<HashKind> kinds = EnumSet.noneOf(HashKind.class);
        if (xxh64 || all) {
            kinds.add(HashKind.XXH64);
        }
        if (sha1 || all) {
            kinds.add(HashKind.SHA1);
        }
        if (sha256 || all || !(xxh64 || sha1 || uuid)) {
            kinds.add(HashKind.SHA256);
        }
        if (uuid) {
            kinds.add(HashKind.UUID_V5);
        }
        return kinds;
    }
}
