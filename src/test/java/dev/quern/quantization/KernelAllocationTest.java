package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.codes.CodeForm;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Kernels allocate nothing once they are compiled. Otherwise a vector leaves its register for the heap, which costs
 * more than everything else a kernel does.
 *
 * <p>Each share of the types has a JVM of its own that takes no profiles of receiver types. What a kernel becomes must
 * not depend on them: a compiler that is busy at the wrong moment compiles without, which a test in a JVM as it comes
 * meets once in a hundred runs (see Lanes).
 */
class KernelAllocationTest {
    private static final long ALLOWED_BYTES = 1024;
    private static final int SHARES = 3;

    static Stream<List<QuantType>> shares() {
        List<List<QuantType>> shares = new ArrayList<>();
        for (int share = 0; share < SHARES; share++) {
            List<QuantType> types = new ArrayList<>();
            for (int i = share; i < CodecCases.TYPES.size(); i += SHARES) {
                types.add(CodecCases.TYPES.get(i));
            }
            shares.add(types);
        }
        return shares.stream();
    }

    @ParameterizedTest
    @MethodSource("shares")
    void nothingIsAllocatedPerBlock(List<QuantType> types) throws Exception {
        List<String> lines = run(types);
        int searches = (int)
                types.stream().filter(type -> CodeForm.of(type).isPresent()).count();
        assertThat(lines).as("lines for %s", types).hasSize(types.size() * Kernel.values().length * 3 + searches);
        for (String line : lines) {
            int colon = line.lastIndexOf(": ");
            assertThat(Long.parseLong(line.substring(colon + 2)))
                    .as("bytes allocated for a million values by %s", line.substring(0, colon))
                    .isLessThan(ALLOWED_BYTES);
        }
    }

    private static List<String> run(List<QuantType> types) throws IOException, InterruptedException {
        List<String> arguments = new ArrayList<>(List.of(String.valueOf(ALLOWED_BYTES)));
        types.forEach(type -> arguments.add(type.name()));
        return OwnJvm.run(KernelAllocation.class, List.of("-XX:TypeProfileWidth=0"), arguments);
    }
}
