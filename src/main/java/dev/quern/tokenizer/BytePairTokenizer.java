package dev.quern.tokenizer;

import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.List;

/**
 * The tokenizer of vocabularies of model "gpt2": byte-level byte pair encoding as llama.cpp runs it (llama-vocab.cpp,
 * {@code llm_tokenizer_bpe}). The {@link PreTokenizer} cuts every stretch of text between the tokens that are cut out
 * into words, and {@link BytePairMerging} does the rest.
 */
final class BytePairTokenizer extends VocabularyTokenizer {
    private final List<Splitting> steps;
    private final MergeRanks merges;
    private final int[] byteSymbols = new int[256];
    private final int[][] idsOfSymbol;
    private final TokenTable words;

    BytePairTokenizer(Vocabulary vocabulary) {
        super(vocabulary);
        String name = vocabulary.pre().orElse(PreTokenizer.DEFAULT);
        PreTokenizer preTokenizer = PreTokenizer.named(name)
                .orElseThrow(() -> refused("the pre-tokenizer " + Quoted.of(name) + " is not known"));
        steps = preTokenizer
                .steps()
                .orElseThrow(() -> refused("the pre-tokenizer " + Quoted.of(name)
                        + " is known by its name only, not how it cuts text, so text cannot be encoded"));
        byte[][] pairs = vocabulary.settings().get(Vocabulary.MERGES).orElse(null) instanceof GgufValue.Texts merged
                ? merged.values()
                : new byte[0][];
        merges = new MergeRanks(texts, pairs.length);
        for (int rank = 0; rank < pairs.length; rank++) {
            addMerge(pairs[rank], rank);
        }
        for (int value = 0; value < 256; value++) {
            byte[] spelled = ByteAlphabet.spelled(new byte[] {(byte) value}, 0, 1);
            byteSymbols[value] = merges.symbol(spelled);
        }
        idsOfSymbol = idsOfSymbols();
        words = new TokenTable(preTokenizer.ignoreMerges() ? texts.length : 1);
        if (preTokenizer.ignoreMerges()) {
            for (int id = 0; id < texts.length; id++) {
                byte[] bytes = ByteAlphabet.bytes(texts[id]);
                if (bytes != null) {
                    words.put(bytes, id);
                }
            }
        }
    }

    private static InputException refused(String problem) {
        return InputException.of("vocabulary", problem)
                .withHint("The file can be converted and quantized all the same.");
    }

    /** The first space behind the first byte parts the two sides; without one there are no sides (llama.cpp). */
    private void addMerge(byte[] pair, int rank) {
        for (int at = 1; at < pair.length; at++) {
            if (pair[at] == ' ') {
                merges.add(Arrays.copyOf(pair, at), Arrays.copyOfRange(pair, at + 1, pair.length), rank);
                return;
            }
        }
    }

    private int[][] idsOfSymbols() {
        int[] single = new int[128];
        for (int c = 0; c < single.length; c++) {
            single[c] = tokenOf(new byte[] {(byte) c});
        }
        int[][] ids = new int[merges.size()][];
        for (int symbol = 0; symbol < ids.length; symbol++) {
            if (symbol < texts.length) {
                ids[symbol] = new int[] {symbol};
                continue;
            }
            // A merge may make what is no token; the bytes of its spelling stand in, those that are tokens.
            IntList bytes = new IntList();
            for (byte b : merges.text(symbol)) {
                if (b >= 0 && single[b] >= 0) {
                    bytes.add(single[b]);
                }
            }
            ids[symbol] = bytes.toArray();
        }
        return ids;
    }

    private int tokenOf(byte[] text) {
        int symbol = merges.symbol(text);
        return symbol < texts.length ? symbol : NONE;
    }

    @Override
    StretchEncoder stretches() {
        BytePairMerging merging = new BytePairMerging(merges, byteSymbols, idsOfSymbol, words);
        return (text, from, to, out) -> encode(DecodedText.of(text, from, to), merging, out);
    }

    private void encode(DecodedText text, BytePairMerging merging, IntList out) {
        IntList ends = ends(steps, text);
        int index = 0;
        int at = 0;
        for (int i = 0; i < ends.size(); i++) {
            int from = at;
            for (int end = ends.get(i); index < end; index++) {
                at += DecodedText.size(text.codePoints[index]);
            }
            merging.encode(text.utf8, from, at, out);
        }
    }

    /** Where the words of a text end, in code points. */
    static IntList ends(List<Splitting> steps, DecodedText text) {
        Splitting.Source source = new Splitting.Source(text);
        IntList ends = new IntList();
        if (text.length > 0) {
            ends.add(text.length);
        }
        IntList finer = new IntList();
        for (Splitting step : steps) {
            int from = 0;
            for (int i = 0; i < ends.size(); i++) {
                step.split(source, from, ends.get(i), finer);
                from = ends.get(i);
            }
            IntList coarser = ends;
            ends = finer;
            finer = coarser;
            finer.clear();
        }
        return ends;
    }

    /** Characters that stand for no byte stand for themselves. */
    @Override
    void write(int id, boolean first, ByteArrayOutputStream out) {
        DecodedText text = DecodedText.of(texts[id]);
        byte[] buffer = new byte[4];
        for (int i = 0; i < text.length; i++) {
            int value = ByteAlphabet.value(text.codePoints[i]);
            if (value >= 0) {
                out.write(value);
            } else {
                out.write(buffer, 0, DecodedText.put(buffer, 0, text.codePoints[i]));
            }
        }
    }
}
