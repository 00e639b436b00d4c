package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class Utf8Test {
    @Test
    void firstInvalidSequence() {
        assertThat(firstInvalid("")).isEmpty();
        assertThat(firstInvalid("61c3a9e4babaf09f9880f48fbfbf00")).isEmpty();
        assertThat(firstInvalid("6180")).hasValue(1);
        assertThat(firstInvalid("c080")).hasValue(0);
        assertThat(firstInvalid("61eda080")).hasValue(1);
        assertThat(firstInvalid("f4908080")).hasValue(0);
        assertThat(firstInvalid("6161e4ba")).hasValue(2);
        assertThat(firstInvalid("fe")).hasValue(0);
    }

    /** The JDK's decoder, told to stop at what is malformed, stops at the same byte. */
    @Test
    void agreesWithTheDecoderOfTheJdk() {
        SplittableRandom random = new SplittableRandom(5);
        RandomText texts = new RandomText(6, new byte[][] {{'a'}});
        for (int i = 0; i < 20_000; i++) {
            byte[] text = texts.any();
            if (i % 2 == 0) {
                text = new byte[random.nextInt(1, 6)];
                for (int j = 0; j < text.length; j++) {
                    text[j] = (byte) (random.nextBoolean() ? random.nextInt(0xE0, 0xF6) : random.nextInt(0x80, 0xC3));
                }
            }
            assertThat(Utf8.firstInvalid(text))
                    .as(HexFormat.of().formatHex(text))
                    .isEqualTo(byTheJdk(text));
        }
    }

    private static OptionalInt byTheJdk(byte[] text) {
        ByteBuffer bytes = ByteBuffer.wrap(text);
        CoderResult result = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .decode(bytes, CharBuffer.allocate(text.length + 1), true);
        return result.isError() || bytes.hasRemaining() ? OptionalInt.of(bytes.position()) : OptionalInt.empty();
    }

    private static OptionalInt firstInvalid(String hex) {
        return Utf8.firstInvalid(HexFormat.of().parseHex(hex));
    }
}
