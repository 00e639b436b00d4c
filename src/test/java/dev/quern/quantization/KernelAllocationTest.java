package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.codes.CodeForm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Kernels allocate nothing once they are compiled. Otherwise a vector leaves its register for the heap, which costs
 * more than everything else a kernel does.
 *
 * <p>What a kernel becomes must not depend on profiles of receiver types: a compiler that is busy at the wrong moment
 * compiles without, which a test in a JVM as it comes meets once in a hundred runs (see Lanes). So each share of the
 * types has a JVM of its own that takes no such profiles, and one with the options with which commands start, where
 * kernels are compiled before there are any.
 */
class KernelAllocationTest {
    private static final long ALLOWED_BYTES = 1024;
    private static final int SHARES = 4;
    private static final List<String> NO_PROFILES = List.of("-XX:TypeProfileWidth=0");

    static Stream<List<QuantType>> shares() {
        List<QuantType> all = new ArrayList<>(CodecCases.TYPES);
        all.addAll(GridTypes.TYPES);
        List<List<QuantType>> shares = new ArrayList<>();
        for (int share = 0; share < SHARES; share++) {
            List<QuantType> types = new ArrayList<>();
            for (int i = share; i < all.size(); i += SHARES) {
                types.add(all.get(i));
            }
            shares.add(types);
        }
        return shares.stream();
    }

    @ParameterizedTest
    @MethodSource("shares")
    void codecsAllocateNothingWithoutProfiles(List<QuantType> types) throws Exception {
        assertThat(allocations(NO_PROFILES, "codecs", types)).hasSize(kernelsOf(types));
    }

    @ParameterizedTest
    @MethodSource("shares")
    void codecsAllocateNothingAsCommandsStart(List<QuantType> types) throws Exception {
        assertThat(allocations(launchOptions(), "codecs", types)).hasSize(kernelsOf(types));
    }

    @ParameterizedTest
    @MethodSource("shares")
    void searchesAllocateNothingWithoutProfiles(List<QuantType> types) throws Exception {
        assertThat(allocations(NO_PROFILES, "searches", types)).hasSize(searchesOf(types));
    }

    @ParameterizedTest
    @MethodSource("shares")
    void searchesAllocateNothingAsCommandsStart(List<QuantType> types) throws Exception {
        assertThat(allocations(launchOptions(), "searches", types)).hasSize(searchesOf(types));
    }

    /** Each codec encodes without importance where the type can be without, with it, and decodes. */
    private static int kernelsOf(List<QuantType> types) {
        int uses = types.stream()
                .mapToInt(type -> GridTypes.IMPORTANCE_NEEDED.contains(type) ? 2 : 3)
                .sum();
        return Kernel.values().length * uses;
    }

    private static int searchesOf(List<QuantType> types) {
        return (int)
                types.stream().filter(type -> CodeForm.of(type).isPresent()).count();
    }

    private static List<String> allocations(List<String> options, String what, List<QuantType> types)
            throws IOException, InterruptedException {
        List<String> arguments = new ArrayList<>(List.of(String.valueOf(ALLOWED_BYTES), what));
        types.forEach(type -> arguments.add(type.name()));
        List<String> lines = OwnJvm.run(KernelAllocation.class, options, arguments).stream()
                .filter(line -> !line.startsWith("CompileCommand: "))
                .toList();
        for (String line : lines) {
            int colon = line.lastIndexOf(": ");
            assertThat(Long.parseLong(line.substring(colon + 2)))
                    .as("bytes allocated for a million values by %s", line.substring(0, colon))
                    .isLessThan(ALLOWED_BYTES);
        }
        return lines;
    }

    /** What scripts/launch.sh gives the JVM. */
    private static List<String> launchOptions() throws IOException, InterruptedException {
        Process shell = new ProcessBuilder("sh", "-c", ". scripts/launch.sh && options full 1g")
                .redirectErrorStream(true)
                .start();
        String said = new String(shell.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(shell.waitFor()).as(said).isZero();
        return List.of(said.strip().split("\\s+"));
    }
}
