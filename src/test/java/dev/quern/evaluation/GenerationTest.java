package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GenerationTest {
    @TempDir
    Path directory;

    private static Generation.Result run(
            Source source, int[] prompt, int most, int positions, Sampler.Options options, Set<Integer> endings) {
        try (CachedForward forward = CachedForward.of(source.model(), Bundled.pass(source.model()), positions, 2)) {
            return Generation.run(
                    forward, prompt, most, positions, endings, new Sampler(options), (token, probability) -> {});
        }
    }

    /** A hundred times the largest of the logits that the peer's library gives for the text so far. */
    @Test
    void greedyTokensAreThePeers() {
        LlamaCpp.require();
        Path file = Bundled.convert(FileType.F32, directory);
        try (Source source = Source.open(file);
                LlamaModel peer = LlamaCpp.load(file)) {
            int[] prompt = Tokenizer.of(source.model().metadata()).encode("The prince", true);
            Generation.Result found = run(source, prompt, 100, 512, Sampler.Options.GREEDY, Set.of());
            int[] expected = Arrays.copyOf(prompt, prompt.length + 100);
            int vocabulary = peer.vocabularySize();
            for (int at = prompt.length; at < expected.length; at++) {
                float[] logits = peer.logits(Arrays.copyOf(expected, at), ContextOptions.FLOAT);
                int best = 0;
                for (int token = 0; token < vocabulary; token++) {
                    best = logits[(at - 1) * vocabulary + token] > logits[(at - 1) * vocabulary + best] ? token : best;
                }
                expected[at] = best;
            }
            assertThat(found.tokens()).isEqualTo(expected);
            assertThat(found.end()).isEqualTo(Generation.End.LENGTH);
            assertThat(found.promptTokens()).isEqualTo(prompt.length);
        }
    }

    @Test
    void aSeedGivesItsTextAgain() {
        try (Source source = Source.open(Bundled.CHECKPOINT)) {
            int[] prompt = Tokenizer.of(source.model().metadata()).encode("The prince", true);
            List<int[]> texts = new ArrayList<>();
            for (long seed : new long[] {1, 1, 2}) {
                texts.add(run(source, prompt, 30, 512, new Sampler.Options(1, 40, 0.95, 0.05, 1.1, 64, seed), Set.of())
                        .tokens());
            }
            assertThat(texts.get(0)).isEqualTo(texts.get(1)).isNotEqualTo(texts.get(2));
        }
    }

    @Test
    void endsWhereTheModelOrTheContextDoes() {
        try (Source source = Source.open(Bundled.CHECKPOINT)) {
            int[] prompt = Tokenizer.of(source.model().metadata()).encode("The prince", true);
            Generation.Result full = run(source, prompt, -1, 20, Sampler.Options.GREEDY, Set.of());
            assertThat(full.tokens()).hasSize(20);
            assertThat(full.end()).isEqualTo(Generation.End.CONTEXT);
            int fifth = full.tokens()[prompt.length + 4];
            int first = prompt.length;
            while (full.tokens()[first] != fifth) {
                first++;
            }
            Generation.Result ended = run(source, prompt, -1, 20, Sampler.Options.GREEDY, Set.of(fifth));
            assertThat(ended.tokens()).isEqualTo(Arrays.copyOf(full.tokens(), first));
            assertThat(ended.end()).isEqualTo(Generation.End.END_OF_TEXT);
        }
    }

    private static double[] shares(Sampler.Options options, float... logits) {
        Sampler sampler = new Sampler(options);
        double[] shares = new double[logits.length];
        for (int i = 0; i < 20_000; i++) {
            shares[sampler.next(logits.clone(), new int[] {0})] += 1 / 20_000.0;
        }
        return shares;
    }

    private static float ln(double p) {
        return (float) Math.log(p);
    }

    @Test
    void drawsAreSharedOutAsTheOptionsSay() {
        float[] logits = {ln(0.1), ln(0.5), ln(0.25), ln(0.15)};
        org.assertj.core.data.Offset<Double> near = org.assertj.core.api.Assertions.within(0.015);
        double[] all = shares(new Sampler.Options(1, 0, 1, 0, 1, 0, 7), logits);
        assertThat(all[1]).isCloseTo(0.5, near);
        assertThat(all[0]).isCloseTo(0.1, near);
        double[] two = shares(new Sampler.Options(1, 2, 1, 0, 1, 0, 7), logits);
        assertThat(two[1]).isCloseTo(0.5 / 0.75, near);
        assertThat(two[0] + two[3]).isZero();
        // 0.5 is not enough, 0.75 is.
        double[] nucleus = shares(new Sampler.Options(1, 0, 0.6, 0, 1, 0, 7), logits);
        assertThat(nucleus[2]).isCloseTo(0.25 / 0.75, near);
        assertThat(nucleus[0] + nucleus[3]).isZero();
        double[] least = shares(new Sampler.Options(1, 0, 1, 0.25, 1, 0, 7), logits);
        assertThat(least[0]).isZero();
        assertThat(least[3]).isCloseTo(0.15 / 0.9, near);
        double[] hot = shares(new Sampler.Options(2, 0, 1, 0, 1, 0, 7), logits);
        double norm = Math.sqrt(0.1) + Math.sqrt(0.5) + Math.sqrt(0.25) + Math.sqrt(0.15);
        assertThat(hot[1]).isCloseTo(Math.sqrt(0.5) / norm, near);
        // Token 0 was there already: its negative logit is doubled, so its probability is squared.
        double[] penalized = shares(new Sampler.Options(1, 0, 1, 0, 2, 1, 7), logits);
        assertThat(penalized[0]).isCloseTo(0.01 / 0.91, near);
        assertThat(shares(Sampler.Options.GREEDY, logits)[1]).isCloseTo(1, near);
    }

    @Test
    void optionsThatCannotBe() {
        assertThatThrownBy(() -> new Sampler.Options(-1, 0, 1, 0, 1, 0, 0))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Sampler.Options(1, 0, 0, 0, 1, 0, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Sampler.Options(1, 0, 1, 2, 1, 0, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Sampler.Options(1, 0, 1, 0, 0, 0, 0)).isInstanceOf(IllegalArgumentException.class);
    }
}
