package dev.quern.cli;

import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Progress;
import dev.quern.quantization.Kernel;
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
            names = "--no-sync",
            description =
                    "Do not wait until the disk has everything. Sooner done, but a power cut shortly afterwards may"
                            + " lose the output.")
    boolean noSync;

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
        return new Conversion.Options(Math.max(1, threads), kernel, force, allowNonFinite, !noSync, progress);
    }
}
