package dev.quern.cli;

import static dev.quern.cli.EmbedRefusalsTest.refused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.pipeline.Family;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** embed as a command: options, output, exit codes. Its numbers are held against others' in EmbeddingModelTest. */
class EmbedCommandTest {
    private static final List<String> TEXTS = List.of(
            "The prince smiled.",
            "The old prince was smiling at them.",
            "A regiment of soldiers crossed the river at night.",
            "war and peace",
            "The princess spoke to her father in Moscow.");

    @TempDir
    static Path shared;

    @TempDir
    Path folder;

    private static Path minilm;
    private static Path q80;
    private static Path q4k;

    @BeforeAll
    static void convert() throws Exception {
        MiniLm made = MiniLm.in(shared);
        minilm = made.checkpoint();
        q80 = made.converted("Q8_0");
        q4k = made.converted("Q4_0");
    }

    private Path lines(String... lines) throws Exception {
        return Files.writeString(folder.resolve("texts.txt"), String.join("\n", lines) + "\n");
    }

    private Path texts() throws Exception {
        return lines(TEXTS.toArray(String[]::new));
    }

    private static JsonNode json(Cli.Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        return JsonMapper.shared().readTree(run.out());
    }

    private static double[] numbers(String line) {
        return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
    }

    private static double[] numbers(JsonNode vector) {
        return vector.valueStream().mapToDouble(JsonNode::asDouble).toArray();
    }

    private static double product(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Test
    void aVectorOnALineForEachText() throws Exception {
        Cli.Run run = Cli.run("embed", minilm, TEXTS.get(0), TEXTS.get(1));
        assertThat(run.code()).isZero();
        assertThat(run.err()).startsWith("2 texts, 27 tokens, pooling mean, ").hasLineCount(1);
        List<String> lines = run.out().lines().toList();
        assertThat(lines).hasSize(2);
        assertThat(lines).allSatisfy(line -> {
            assertThat(numbers(line)).hasSize(64);
            assertThat(product(numbers(line), numbers(line))).isCloseTo(1, within(1e-6));
        });
        // Of a file the same, whatever ends its lines and whatever it begins with.
        for (String content : List.of(
                TEXTS.get(0) + "\n" + TEXTS.get(1) + "\n",
                TEXTS.get(0) + "\r\n" + TEXTS.get(1) + "\r\n",
                "\uFEFF" + TEXTS.get(0) + "\n" + TEXTS.get(1))) {
            Path file = Files.writeString(folder.resolve("two.txt"), content);
            assertThat(Cli.run("embed", minilm, "-f", file, "--quiet").out()).isEqualTo(run.out());
        }
        InputStream in = System.in;
        try {
            System.setIn(new ByteArrayInputStream(
                    (TEXTS.get(0) + "\n" + TEXTS.get(1) + "\n").getBytes(StandardCharsets.UTF_8)));
            Cli.Run piped = Cli.run("embed", minilm, "--file", "-", "--quiet");
            assertThat(piped.out()).isEqualTo(run.out());
            assertThat(piped.err()).isEmpty();
        } finally {
            System.setIn(in);
        }
        for (int threads : new int[] {1, 3}) {
            assertThat(Cli.run("embed", minilm, TEXTS.get(0), TEXTS.get(1), "-t", threads)
                            .out())
                    .isEqualTo(run.out());
        }
        String raw = Cli.run("embed", minilm, TEXTS.get(0), "--no-normalize").out();
        double length = Math.sqrt(product(numbers(raw.strip()), numbers(raw.strip())));
        assertThat(length).isNotCloseTo(1, within(0.1));
        assertThat(numbers(raw.strip())[5] / length).isCloseTo(numbers(lines.get(0))[5], within(1e-6));
    }

    @Test
    void asJson() throws Exception {
        JsonNode found = json(Cli.run("embed", q80, TEXTS.get(0), TEXTS.get(1), "--json"));
        assertThat(found.get("model").asString()).isEqualTo(q80.toString());
        assertThat(found.get("kind").asString()).isEqualTo("GGUF v3");
        assertThat(found.get("pooling").asString()).isEqualTo("mean");
        assertThat(found.get("dimensions").asInt()).isEqualTo(64);
        assertThat(found.get("context").asInt()).isEqualTo(128);
        assertThat(found.get("normalized").asBoolean()).isTrue();
        assertThat(found.get("version").asString()).isNotEmpty();
        List<String> lines =
                Cli.run("embed", q80, TEXTS.get(0), TEXTS.get(1)).out().lines().toList();
        for (int i = 0; i < 2; i++) {
            JsonNode text = found.get("texts").get(i);
            assertThat(text.get("text").asString()).isEqualTo(TEXTS.get(i));
            assertThat(text.get("tokens").asInt()).isEqualTo(i == 0 ? 11 : 16);
            assertThat(text.has("cut")).isFalse();
            assertThat(numbers(text.get("vector"))).containsExactly(numbers(lines.get(i)));
        }
        JsonNode ofFile = json(Cli.run("embed", q80, "-f", texts(), "--json"));
        assertThat(ofFile.get("file").asString())
                .isEqualTo(folder.resolve("texts.txt").toString());
        assertThat(ofFile.get("texts")).hasSize(5);
        assertThat(ofFile.get("texts").get(4).get("line").asInt()).isEqualTo(5);
        assertThat(ofFile.get("texts").get(4).has("text")).isFalse();
    }

    @Test
    void aVectorForEachTokenWhereNothingIsPooled() {
        Cli.Run run = Cli.run("embed", minilm, "--pooling", "none", TEXTS.get(0), "war");
        String[] texts = run.out().split("\n\n");
        assertThat(texts).hasSize(2);
        assertThat(texts[0].lines()).hasSize(11);
        assertThat(texts[1].lines()).hasSize(4);
        String first = Cli.run("embed", minilm, "--pooling", "CLS", "war").out();
        assertThat(texts[1].lines().findFirst()).hasValue(first.strip());
        JsonNode found = json(Cli.run("embed", minilm, "--pooling", "none", TEXTS.get(0), "war", "--json"));
        assertThat(found.get("texts").get(1).get("vectors")).hasSize(4);
        assertThat(numbers(found.get("texts").get(1).get("vectors").get(0))).containsExactly(numbers(first.strip()));
    }

    @Test
    void textsBeyondTheContextAreCutAndThatIsSaid() {
        String longer = "peace ".repeat(80);
        Cli.Run run = Cli.run("embed", minilm, "war", longer, "--json");
        assertThat(run.firstError())
                .isEqualTo("note: texts longer than 128 tokens: 1 of 2; what goes beyond is left out");
        JsonNode text = json(run).get("texts").get(1);
        assertThat(text.get("tokens").asInt()).isEqualTo(128);
        assertThat(text.get("cut").asBoolean()).isTrue();
        // What is left keeps the token that ends a text: two words and what stands around them.
        String two = Cli.run("embed", minilm, "-c", 6, "war peace").out();
        String cut = Cli.run("embed", minilm, "-c", 6, "war peace and more").out();
        assertThat(cut).isEqualTo(two);
    }

    @Test
    void comparesVectors() throws Exception {
        Path texts = texts();
        JsonNode found = json(Cli.run(
                "embed", minilm, "-f", texts, "--compare", q80, "--compare", q4k, "--compare", minilm, "--json"));
        assertThat(found.get("texts").asInt()).isEqualTo(5);
        assertThat(found.get("cut").asInt()).isZero();
        assertThat(found.get("candidates")).hasSize(3);
        List<double[]> base = vectors(minilm, texts);
        List<Path> models = List.of(q80, q4k, minilm);
        for (int i = 0; i < models.size(); i++) {
            JsonNode candidate = found.get("candidates").get(i);
            List<double[]> vectors = vectors(models.get(i), texts);
            double least = 2;
            double sum = 0;
            int which = 0;
            int same = 0;
            for (int text = 0; text < 5; text++) {
                double cosine = product(base.get(text), vectors.get(text));
                assertThat(candidate.get("cosines").get(text).asDouble()).isCloseTo(cosine, within(1e-6));
                which = cosine < least ? text : which;
                least = Math.min(least, cosine);
                sum += cosine;
                same += nearest(base, text) == nearest(vectors, text) ? 1 : 0;
            }
            assertThat(candidate.get("model").asString())
                    .isEqualTo(models.get(i).toString());
            assertThat(candidate.get("cosine_mean").asDouble()).isCloseTo(sum / 5, within(1e-6));
            assertThat(candidate.get("cosine_min").asDouble()).isCloseTo(least, within(1e-6));
            assertThat(candidate.get("same_nearest").asInt()).isEqualTo(same);
            if (i == 1) {
                assertThat(candidate.get("cosine_min_of").asInt()).isEqualTo(which + 1);
                assertThat(least).isLessThan(0.99999);
            }
            assertThat(candidate.get("size").asLong()).isPositive();
        }
        JsonNode itself = found.get("candidates").get(2);
        assertThat(itself.get("cosine_min").asDouble()).isGreaterThan(1 - 1e-12);
        assertThat(itself.get("same_nearest").asInt()).isEqualTo(5);
    }

    private static List<double[]> vectors(Path model, Path texts) {
        List<double[]> vectors = new ArrayList<>();
        Cli.run("embed", model, "-f", texts, "--quiet").out().lines().forEach(line -> vectors.add(numbers(line)));
        assertThat(vectors).hasSize(5);
        return vectors;
    }

    private static int nearest(List<double[]> vectors, int text) {
        int found = text == 0 ? 1 : 0;
        for (int i = 0; i < vectors.size(); i++) {
            if (i != text
                    && product(vectors.get(text), vectors.get(i)) > product(vectors.get(text), vectors.get(found))) {
                found = i;
            }
        }
        return found;
    }

    @Test
    void comparesAsATableAndJudges() throws Exception {
        Cli.Run run = Cli.run(
                "embed",
                minilm,
                "-f",
                texts(),
                "--compare",
                q80,
                "--compare",
                q4k,
                "--gate",
                "cosine_min>=0.9999",
                "--gate",
                "same_nearest: 20%",
                "--gate",
                "size<=1MB");
        List<String> lines = run.out().lines().toList();
        assertThat(lines.get(0)).isEqualTo("candidate    MB  mean cosine   minimum      of  same nearest");
        assertThat(lines.get(2))
                .matches("Q8_0\\.gguf {2}0\\.13 {5}0\\.9999\\d\\d {2}0\\.9999\\d\\d {2}line \\d {8}5 of 5");
        assertThat(lines.get(3))
                .matches("Q4_0\\.gguf {2}0\\.1\\d {5}0\\.99\\d{4} {2}0\\.99\\d{4} {2}line \\d {8}\\d of 5");
        assertThat(lines.get(5)).startsWith("gate Q8_0.gguf: cosine_min>=0.9999: passed, 0.9999");
        assertThat(lines.get(8)).startsWith("gate Q4_0.gguf: cosine_min>=0.9999: failed, 0.99");
        assertThat(lines.get(10)).startsWith("gate Q4_0.gguf: size<=1MB: passed");
        assertThat(run.code()).isEqualTo(4);
        assertThat(Cli.run(
                                "embed",
                                minilm,
                                "--compare",
                                q80,
                                "--gate",
                                "cosine_mean>=0.999",
                                "--gate",
                                "same_nearest>=100%",
                                "war",
                                "peace")
                        .code())
                .isZero();
        // Of one text no neighbour can be asked.
        Cli.Run lone = Cli.run("embed", minilm, "war", "--compare", q80, "--gate", "same_nearest>=1%");
        assertThat(lone.out()).contains("text 1", "  -\n", "same_nearest>=1%: failed, could not be measured");
        assertThat(lone.code()).isEqualTo(4);
        JsonNode json = JsonMapper.shared()
                .readTree(Cli.run("embed", minilm, "war", "--compare", q80, "--gate", "cosine_min>=1.1", "--json")
                        .out());
        JsonNode gate = json.get("candidates").get(0).get("gates").get(0);
        assertThat(gate.get("passed").asBoolean()).isFalse();
        assertThat(gate.get("quantity").asString()).isEqualTo("cosine_min");
        assertThat(json.get("candidates").get(0).get("same_nearest").isNull()).isTrue();
    }

    @Test
    void aDecoderHasToBeAskedAndAnEncoderIsNot() throws Exception {
        Path decoder = Family.of("qwen3").write(folder);
        refused(
                2,
                decoder + ": does not say how its states become one vector (qwen3.pooling_type is missing)",
                decoder,
                "war");
        Cli.Run run = Cli.run("embed", decoder, "war and peace", "--pooling", "last");
        assertThat(run.code()).isZero();
        assertThat(run.err()).contains("pooling last");
        Path encoder = Family.of("bert").write(folder);
        Cli.Run assumed = Cli.run("embed", encoder, "war");
        assertThat(assumed.firstError())
                .isEqualTo("note: " + encoder + ": does not say how its states become one vector (bert.pooling_type is"
                        + " missing); the mean is taken, as sentence-transformers does (--pooling says otherwise)");
        assertThat(assumed.out()).isEqualTo(Cli.run("embed", minilm, "war").out());
        assertThat(Cli.run("embed", encoder, "war", "--pooling", "mean").err()).doesNotContain("note:");
    }

    /** The base pools by the mean, as it says; what was converted without its modules does too, by another reason. */
    @Test
    void saysWhereCandidatesPoolOtherwise() throws Exception {
        Path other = Files.copy(q80, folder.resolve("cls.gguf"));
        byte[] bytes = Files.readAllBytes(other);
        byte[] key = "bert.pooling_type".getBytes(StandardCharsets.UTF_8);
        int at = 0;
        while (Arrays.mismatch(bytes, at, at + key.length, key, 0, key.length) >= 0) {
            at++;
        }
        // Behind the key its type, and the value.
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(buffer.getInt(at + key.length + 4)).isEqualTo(1);
        buffer.putInt(at + key.length + 4, 2);
        Files.write(other, bytes);
        Cli.Run run = Cli.run("embed", minilm, "war", "peace", "--compare", other);
        assertThat(run.err()).contains("note: " + other + ": pools by cls, the base by mean\n");
        assertThat(run.code()).isZero();
        buffer.putInt(at + key.length + 4, 4);
        Files.write(other, bytes);
        refused(
                3,
                other + ": key \"bert.pooling_type\": 4 (rank) is that of a model that scores pairs of texts, and makes"
                        + " no vectors",
                other,
                "war");
        buffer.putInt(at + key.length + 4, 0);
        Files.write(other, bytes);
        refused(2, "--compare needs one vector for a text, and the pooling is none", minilm, "war", "--compare", other);
    }

    @Test
    void saysWhereSentenceTransformersDoesOtherwise() throws Exception {
        Path model = Family.of("all-minilm").write(folder);
        Files.writeString(model.resolve("sentence_bert_config.json"), "{\"max_seq_length\": 64}");
        Tampered.edit(model.resolve("modules.json"), text -> text.replace("models.Normalize", "models.Dense"));
        Cli.Run run = Cli.run("embed", model, "war");
        assertThat(run.err())
                .contains("note: " + model + ": sentence-transformers leaves out what goes beyond 64 tokens of a text"
                        + " (sentence_bert_config.json), and so does -c 64\n")
                .contains("note: " + model
                        + ": modules.json has a module Dense, which no GGUF has; the vectors are those before it\n");
        assertThat(Cli.run("embed", model, "war", "-c", 64).err()).doesNotContain("sentence_bert_config");
        assertThat(Cli.run("embed", model, "war", "--quiet").err()).isEmpty();
    }
}
