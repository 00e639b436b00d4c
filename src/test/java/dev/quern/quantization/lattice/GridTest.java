package dev.quern.quantization.lattice;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.oracle.LlamaCpp;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The committed grids are those that llama.cpp decodes with. */
class GridTest {
    /** SHA-256 of the files as they were extracted, for where the libraries are not. */
    private static final Map<String, String> DIGESTS = Map.of(
            "iq1", "a592522970c6091dfd868c98cba456e41b486f97ebb14b592d349fdac7f1d069",
            "iq2_s", "b0e1c969bbdf346429b7ce95b9cba279370ead80874234c67ed34c9a888b3681",
            "iq2_xs", "5ef2f6baab93f4519ea9b9fc1fe9fd5672878d92f919745b52c65db3c8bffd0f",
            "iq2_xxs", "f61c64b204ff52405f58c5d091ef323cc21847925bc2d7b5f8c269249375d13c",
            "iq3_s", "ad0464724f670859462359e15397a69acdf0bc8d7d36a9d7199861667910391d",
            "iq3_xxs", "3fca11a97417d73a0b389946b39e86e3ba2753a17e88130738065b43a70354b9");

    static List<String> names() {
        return GridExtraction.names();
    }

    @ParameterizedTest
    @MethodSource("names")
    void fileIsWhatLlamaCppDecodes(String name) throws IOException {
        assertThat(Files.readString(file(name))).isEqualTo(GridExtraction.extract(LlamaCpp.require(), name));
    }

    @ParameterizedTest
    @MethodSource("names")
    void fileHasTheDigestOfTheExtractedOne(String name) throws IOException, NoSuchAlgorithmException {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file(name)));

        assertThat(HexFormat.of().formatHex(digest)).isEqualTo(DIGESTS.get(name));
    }

    @Test
    void codesPackLevelsFromTheLowestBitsUp() {
        // The second and fourth points of the files: 20000000 and 02000000, 4000 and 3100.
        assertThat(Grids.iq2Xxs().code(1)).isEqualTo(2);
        assertThat(Grids.iq2Xxs().code(3)).isEqualTo(2 << 2);
        assertThat(Grids.iq3Xxs().code(2)).isEqualTo(4);
        assertThat(Grids.iq3Xxs().code(4)).isEqualTo(3 | 1 << 3);
        assertThat(Grids.iq2Xxs().value(1, 0)).isEqualTo(43);
        assertThat(Grids.iq3Xxs().value(4, 1)).isEqualTo(12);
    }

    private static Path file(String name) {
        return Path.of("formats/ggml-grids", name + ".txt");
    }
}
