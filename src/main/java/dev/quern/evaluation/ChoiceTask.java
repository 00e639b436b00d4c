package dev.quern.evaluation;

import dev.quern.io.InputException;
import dev.quern.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A question with several answers, one token sequence for each, and which tokens of it the model is asked for. An
 * answer's score is the mean of their log probabilities.
 *
 * @param where file and place, for messages
 * @param sequences the question with each of its answers
 * @param prefix tokens that all sequences begin with
 * @param asked what each answer's score is the mean of
 * @param right the right answers
 */
public record ChoiceTask(String where, List<int[]> sequences, int prefix, List<List<Asked>> asked, Set<Integer> right) {
    /** The token that is asked for after a position of a sequence. */
    record Asked(int sequence, int position, int target) {}

    /** Winogrande scores what follows the choice where more tokens than this follow the common beginning. */
    private static final int TRAILING = 3;

    /**
     * A context and endings, all of whose tokens from the first difference on are scored (HellaSwag, multiple choice).
     *
     * @param texts bytes in Latin-1: context, a space, ending
     * @throws InputException when an ending makes no token of its own
     */
    static ChoiceTask endings(String where, List<String> texts, Set<Integer> right, Tokenizer tokenizer) {
        List<int[]> sequences = encode(texts, tokenizer);
        int prefix = commonPrefix(where, sequences);
        List<List<Asked>> asked = new ArrayList<>();
        for (int s = 0; s < sequences.size(); s++) {
            asked.add(asked(sequences, s, prefix - 1, sequences.get(s).length - 1));
        }
        return new ChoiceTask(where, sequences, prefix, asked, right);
    }

    /**
     * A sentence with a gap and two words for it, scored by what follows the gap; where little follows, from the first
     * difference on. Of several scored tokens the last is left out, and where the second sentence is scored from the
     * first difference on, its first score is read behind the first sentence's last token: both as llama-perplexity
     * does, so that scores can be compared.
     *
     * @param first the sentence up to the gap, bytes in Latin-1
     * @param rest behind the gap
     * @throws InputException when the two sentences make the same tokens
     */
    static ChoiceTask gap(
            String where, String first, List<String> choices, String rest, int right, Tokenizer tokenizer) {
        List<int[]> sequences =
                encode(choices.stream().map(choice -> first + choice + rest).toList(), tokenizer);
        int prefix = commonPrefix(where, sequences);
        boolean skip = sequences.stream().allMatch(tokens -> tokens.length - prefix > TRAILING);
        List<List<Asked>> asked = new ArrayList<>();
        for (int s = 0; s < 2; s++) {
            int length = sequences.get(s).length;
            int base = skip ? encode(List.of(first + choices.get(s)), tokenizer).getFirst().length : prefix;
            int end = length - 1 - (length - base > 1 ? 1 : 0);
            if (base - 1 >= end) {
                throw InputException.of(where, "choice " + (s + 1) + " leaves no token to score");
            }
            List<Asked> of = asked(sequences, s, base - 1, end);
            if (s == 1 && base == prefix) {
                of.set(
                        0,
                        new Asked(
                                0,
                                sequences.getFirst().length - 1,
                                of.getFirst().target()));
            }
            asked.add(of);
        }
        return new ChoiceTask(where, sequences, prefix, asked, Set.of(right));
    }

    private static List<int[]> encode(List<String> texts, Tokenizer tokenizer) {
        return texts.stream()
                .map(text -> tokenizer.encode(text.getBytes(StandardCharsets.ISO_8859_1), true))
                .toList();
    }

    private static List<Asked> asked(List<int[]> sequences, int sequence, int from, int to) {
        List<Asked> asked = new ArrayList<>();
        for (int position = from; position < to; position++) {
            asked.add(new Asked(sequence, position, sequences.get(sequence)[position + 1]));
        }
        return asked;
    }

    private static int commonPrefix(String where, List<int[]> sequences) {
        int shortest =
                sequences.stream().mapToInt(tokens -> tokens.length).min().orElse(0);
        int prefix = 0;
        while (prefix < shortest && same(sequences, prefix)) {
            prefix++;
        }
        if (prefix == 0) {
            throw InputException.of(where, "the answers have no first token in common, so nothing precedes them");
        }
        if (prefix == shortest) {
            throw InputException.of(where, "an answer is the beginning of all others and makes no token of its own");
        }
        return prefix;
    }

    private static boolean same(List<int[]> sequences, int at) {
        return sequences.stream().allMatch(tokens -> tokens[at] == sequences.getFirst()[at]);
    }

    /** Tokens that go through the model. */
    int tokens() {
        return prefix
                + sequences.stream().mapToInt(tokens -> tokens.length - prefix).sum();
    }
}
