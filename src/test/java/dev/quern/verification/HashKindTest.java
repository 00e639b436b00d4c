package dev.quern.verification;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against published values: xxHash's own sanity checks, FIPS 180-4, and Python's uuid.uuid5 in the same name space. */
class HashKindTest {
    @ParameterizedTest
    @CsvSource({
        "XXH64, '', ef46db3751d8e999",
        "XXH64, abc, 44bc2cf5ad770999",
        "SHA1, abc, a9993e364706816aba3e25717850c26c9cd0d89d",
        "SHA256, abc, ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "UUID_V5, abc, 9f2200fc-45e8-5a39-9535-c3ea5c0e0cef"
    })
    void givesThePublishedValueInOnePieceAndInMany(HashKind kind, String text, String expected) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        HashKind.Running whole = kind.start();
        whole.update(bytes, bytes.length);
        assertThat(whole.finish()).isEqualTo(expected);
        HashKind.Running pieces = kind.start();
        for (byte b : bytes) {
            pieces.update(Arrays.copyOf(new byte[] {b}, 9), 1);
        }
        assertThat(pieces.finish()).isEqualTo(expected);
    }
}
