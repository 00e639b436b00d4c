package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.gguf.GgufWriter;
import dev.quern.io.OutputFile;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The five thousand lines, and how ids of theirs are compared with recorded ones and with llama.cpp's. */
final class TokenComparison {
    /** Code, prose, many scripts, emoji, control characters, long runs. */
    static final List<String> LINES = JsonMapper.shared()
            .readTree(Path.of("test-data/tokenizer/ids/lines.json"))
            .valueStream()
            .map(JsonNode::stringValue)
            .toList();

    private TokenComparison() {}

    static List<int[]> encode(Tokenizer tokenizer, List<String> lines) {
        return lines.stream().map(line -> tokenizer.encode(line, false)).toList();
    }

    /** SHA-256 of the ids as JSON prints a list of them without spaces. */
    static String digest(int[] ids) throws Exception {
        return digest(Arrays.toString(ids));
    }

    private static String digest(String list) throws Exception {
        byte[] text = list.replace(" ", "").getBytes(StandardCharsets.US_ASCII);
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text));
    }

    /**
     * @param whole every how many lines {@code whole} has the ids of one
     * @param block how many lines each digest of {@code sha256} is of
     */
    static void assertRecorded(JsonNode whole, int every, JsonNode sha256, int block, List<int[]> ids)
            throws Exception {
        assertThat(sha256.size() * block).isEqualTo(ids.size());
        assertThat(whole.size() * every).isEqualTo(ids.size());
        for (int i = 0; i < ids.size(); i += every) {
            assertThat(ids.get(i))
                    .as("line " + i)
                    .isEqualTo(whole.get(i / every)
                            .valueStream()
                            .mapToInt(JsonNode::intValue)
                            .toArray());
        }
        List<String> wrong = new ArrayList<>();
        for (int from = 0; from < ids.size(); from += block) {
            String text = ids.subList(from, from + block).stream()
                    .map(Arrays::toString)
                    .toList()
                    .toString();
            if (!digest(text).startsWith(sha256.get(from / block).stringValue())) {
                wrong.add("lines " + from + " to " + (from + block - 1));
            }
        }
        assertThat(wrong).isEmpty();
    }

    /** @param recorded the first two bytes of every line's digest */
    static boolean isRecorded(String recorded, int line, int[] ids) throws Exception {
        return digest(ids).startsWith(recorded.substring(4 * line, 4 * line + 4));
    }

    /** Of words, llama.cpp's ids are others than Hugging Face's. */
    static boolean isOtherwiseAsWordPieces(String line) {
        return line.codePoints().anyMatch(TokenComparison::isOtherwiseInLlamaCpp)
                // Cut out by Hugging Face alone.
                || line.contains("[MASK]")
                // Words that Hugging Face gives up on (max_input_chars_per_word) and llama.cpp does not.
                || Stream.of(line.split("\\s+")).anyMatch(word -> word.codePointCount(0, word.length()) > 100);
    }

    /**
     * llama.cpp takes all marks for accents, not only those without a width; leaves the first part of a Hangul; and cuts
     * at control characters that are white space, which Hugging Face drops. Its tables of punctuation and of marks are
     * younger than Hugging Face's.
     */
    private static boolean isOtherwiseInLlamaCpp(int c) {
        int type = Character.getType(c);
        return c == 0x0B
                || c == 0x0C
                || c == 0x85
                || c == 0x0D3B
                || PreTokenizerSteps.isLaterPunctuation(c)
                || type == Character.COMBINING_SPACING_MARK
                || type == Character.ENCLOSING_MARK
                || c >= 0xAC00 && c <= 0xD7A3;
    }

    /** The vocabulary in a GGUF file that Quern writes into the folder; the lines, and 500 texts that may be no UTF-8. */
    static void assertSameAsLlamaCpp(Vocabulary vocabulary, Path folder) {
        LlamaCpp.require();
        Path file = folder.resolve("vocabulary.gguf");
        GgufMetadata metadata = new GgufMetadata().put("general.architecture", GgufValue.text("llama"));
        vocabulary.writeTo(metadata);
        GgufLayout layout = GgufLayout.plan(metadata, List.of());
        try (GgufWriter writer = new GgufWriter(layout, OutputFile.create(file, layout.fileSize(), List.of(), true))) {
            writer.commit();
        }
        Tokenizer ours = Tokenizer.of(metadata);
        List<byte[]> texts = new ArrayList<>();
        LINES.forEach(line -> texts.add(line.getBytes(StandardCharsets.UTF_8)));
        RandomText random = new RandomText(6, vocabulary.tokens());
        for (int i = 0; i < 500; i++) {
            texts.add(withinUnicode(random.any()));
        }
        int wrong = 0;
        String first = "";
        try (LlamaModel theirs = LlamaCpp.loadVocabulary(file)) {
            for (int i = 0; i < texts.size(); i++) {
                byte[] text = texts.get(i);
                int[] expected = theirs.tokenize(text, i % 50 == 0, false);
                int[] found = ours.encode(text, i % 50 == 0);
                if (!Arrays.equals(found, expected) && wrong++ == 0) {
                    first = i + ": " + new String(text, StandardCharsets.UTF_8) + "\nexpected "
                            + Arrays.toString(expected) + "\nfound    " + Arrays.toString(found);
                }
            }
        }
        assertThat(wrong).as(first).isZero();
    }

    /** llama.cpp throws, out of a function of C's, where bytes spell what is beyond U+10FFFF. */
    private static byte[] withinUnicode(byte[] text) {
        byte[] out = text.clone();
        for (int i = 0; i < out.length; i++) {
            if ((out[i] & 0xff) >= 0xF4) {
                out[i] = (byte) 0xFF;
            }
        }
        return out;
    }
}
