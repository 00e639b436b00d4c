package dev.quern.cli;

import dev.quern.io.FileOperations;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Progress;
import dev.quern.quantization.Kernel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How a command works, as opposed to what it makes. */
final class RunOptions {
    @Option(
            names = {"--threads", "--nthread"},
            paramLabel = "N",
            description = "Worker threads; the result is the same for any number (default: all cores).")
    int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--force", description = "Replace an output that exists.")
    boolean force;

    @Option(
            names = "--allow-non-finite",
            description =
                    "Store NaN, infinities and values beyond F16 as F32, F16 and BF16 have them instead of refusing"
                            + " them.")
    boolean allowNonFinite;

    @Option(
            names = "--no-checksums",
            description = "Do not hold torch files against the checksums in them, for which their weights are read once"
                    + " more.")
    boolean noChecksums;

    @Option(
            names = "--no-sync",
            description =
                    "Do not wait until the disk has everything. Sooner done, but a power cut shortly afterwards may"
                            + " lose the output.")
    boolean noSync;

    @Option(
            names = "--resume",
            negatable = true,
            description = {
                "Go on where an interrupted run of the same command stopped, and keep what is done when this one is"
                    + " interrupted (default: when the outputs have 256 MiB or more together, and always with --method"
                    + " compensated). The kept files are .OUT.*.partial and .OUT.*.journal beside OUT; --no-resume"
                    + " removes them and starts over."
            })
    @Nullable
    Boolean resume;

    @Option(
            names = "--manifest",
            paramLabel = "FILE",
            description = "Write each tensor's SHA-256, in the form that llama-gguf-hash --check reads.")
    @Nullable
    Path manifest;

    @Option(
            names = "--sha256sums",
            description = "Write each output's SHA-256 to SHA256SUMS beside it, for sha256sum -c; the lines of other "
                    + "files stay. Every output is read once more for that.")
    boolean sums;

    @Option(
            names = "--kernel",
            paramLabel = "KIND",
            description = "scalar or simd; both give the same bytes (default: simd).")
    Kernel kernel = Kernel.SIMD;

    @Option(names = "--quiet", description = "Say nothing but errors.")
    boolean quiet;

    Talk talk() {
        return new Talk(quiet);
    }

    Conversion.Options conversion(Progress progress) {
        Boolean wanted = resume;
        Conversion.Resume when =
                wanted == null ? Conversion.Resume.LARGE : wanted ? Conversion.Resume.ALWAYS : Conversion.Resume.NEVER;
        return new Conversion.Options(Math.max(1, threads), kernel, force, allowNonFinite, progress)
                .with(noSync ? FileOperations.UNFORCED : FileOperations.REAL)
                .with(when, Version.text(), talk()::say)
                .withHashes(manifest != null);
    }
}
