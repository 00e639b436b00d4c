package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import tools.jackson.databind.JsonNode;

/**
 * A tokenizer as tokenizer.json says it, run as Hugging Face's tokenizers library runs it: added tokens, normalizer,
 * pre-tokenizer, byte pair encoding, post-processor. It is what a vocabulary's ids are compared with while its
 * pre-tokenizer is being recognised; models are run with {@link Tokenizer}s. Patterns are run only if Quern knows them
 * ({@link KnownPatterns}).
 */
final class HuggingFaceTokenizer {
    private final TokenizerJson json;
    private final UnaryOperator<String> normalizer;
    private final Function<String, List<String>> preTokenizer;
    private final Model model;
    private final List<TokenizerJson.AddedToken> longestFirst;

    /** @throws InputException when the file asks for something that is not known */
    HuggingFaceTokenizer(TokenizerJson json) {
        this.json = json;
        normalizer = Normalizers.of(json.file(), json.steps().path("normalizer"));
        preTokenizer = PreTokenizerSteps.of(json.file(), json.steps().path("pre_tokenizer"));
        model = switch (json.kind()) {
            case "BPE" -> new BytePairEncoding(json);
            case "WordPiece" -> new WordPiece(json);
            default ->
                throw InputException.expected(json.file(), "model.type", "BPE or WordPiece", Quoted.of(json.kind()));
        };
        longestFirst = json.added().stream()
                .sorted(Comparator.comparingInt(token -> -token.content().length()))
                .toList();
    }

    /** @param addSpecial whether the post-processor adds its tokens */
    int[] encode(String text, boolean addSpecial) {
        IntList ids = new IntList();
        for (Piece raw : cut(List.of(new Piece(text, -1)), false)) {
            if (raw.id >= 0) {
                ids.add(raw.id);
                continue;
            }
            Piece normalized = new Piece(normalizer.apply(raw.text), -1);
            for (Piece piece : cut(List.of(normalized), true)) {
                if (piece.id >= 0) {
                    ids.add(piece.id);
                } else {
                    preTokenizer.apply(piece.text).forEach(word -> model.encode(word, ids));
                }
            }
        }
        return addSpecial ? withSpecial(ids.toArray()) : ids.toArray();
    }

    /** A stretch of text, or an added token. */
    private record Piece(String text, int id) {}

    /** Cuts added tokens out: those that are looked for in normalized text, or those that are not. */
    private List<Piece> cut(List<Piece> pieces, boolean normalized) {
        List<Piece> out = new ArrayList<>();
        for (Piece piece : pieces) {
            String text = piece.text;
            int rest = 0;
            for (int at = 0; at < text.length(); ) {
                TokenizerJson.AddedToken token = tokenAt(text, at, normalized);
                if (token == null) {
                    at++;
                    continue;
                }
                int from = at;
                int to = at + spelled(token, normalized).length();
                while (token.lstrip() && from > rest && isSpace(text, from - 1)) {
                    from--;
                }
                while (token.rstrip() && to < text.length() && isSpace(text, to)) {
                    to++;
                }
                if (from > rest) {
                    out.add(new Piece(text.substring(rest, from), -1));
                }
                out.add(new Piece("", token.id()));
                rest = to;
                at = to;
            }
            if (rest < text.length()) {
                out.add(new Piece(text.substring(rest), -1));
            }
        }
        return out;
    }

    private TokenizerJson.@org.jspecify.annotations.Nullable AddedToken tokenAt(
            String text, int at, boolean normalized) {
        for (TokenizerJson.AddedToken token : longestFirst) {
            String content = spelled(token, normalized);
            if (token.normalized() == normalized
                    && !content.isEmpty()
                    && text.startsWith(content, at)
                    && (!token.singleWord() || standsAlone(text, at, at + content.length()))) {
                return token;
            }
        }
        return null;
    }

    private String spelled(TokenizerJson.AddedToken token, boolean normalized) {
        return normalized ? normalizer.apply(token.content()) : token.content();
    }

    private static boolean standsAlone(String text, int from, int to) {
        return (from == 0 || !isWord(text.codePointBefore(from)))
                && (to == text.length() || !isWord(text.codePointAt(to)));
    }

    private static boolean isWord(int c) {
        return c == '_' || CodePoints.is(c, CodePoints.LETTER | CodePoints.NUMBER | CodePoints.MARK);
    }

    private static boolean isSpace(String text, int at) {
        return CodePoints.is(text.charAt(at), CodePoints.WHITESPACE);
    }

    private int[] withSpecial(int[] ids) {
        IntList out = new IntList();
        process(json.steps().path("post_processor"), ids, out);
        return out.toArray();
    }

    private void process(JsonNode processor, int[] ids, IntList out) {
        switch (processor.path("type").asString("")) {
            case "Sequence" -> {
                int[] done = ids;
                for (JsonNode one : processor.path("processors")) {
                    IntList next = new IntList();
                    process(one, done, next);
                    done = next.toArray();
                }
                out.addAll(done, 0, done.length);
            }
            case "TemplateProcessing" -> {
                for (JsonNode part : processor.path("single")) {
                    if (part.has("Sequence")) {
                        out.addAll(ids, 0, ids.length);
                    } else {
                        String name = part.path("SpecialToken").path("id").asString("");
                        processor.path("special_tokens").path(name).path("ids").forEach(id -> out.add(id.asInt(0)));
                    }
                }
            }
            case "BertProcessing", "RobertaProcessing" -> {
                out.add(processor.path("cls").path(1).asInt(0));
                out.addAll(ids, 0, ids.length);
                out.add(processor.path("sep").path(1).asInt(0));
            }
            case "", "ByteLevel" -> out.addAll(ids, 0, ids.length);
            default ->
                throw InputException.of(
                        json.file(),
                        "post_processor",
                        "type " + Quoted.of(processor.path("type").asString("")) + " is not known");
        }
    }

    /** Words to ids. */
    private interface Model {
        void encode(String word, IntList out);
    }

    /** The longest token that a word begins with, again and again. */
    private record WordPiece(TokenizerJson json) implements Model {
        @Override
        public void encode(String word, IntList out) {
            String prefix = json.model().path("continuing_subword_prefix").asString("##");
            int most = json.model().path("max_input_chars_per_word").asInt(100);
            Integer unknown =
                    json.vocabulary().get(json.model().path("unk_token").asString("[UNK]"));
            IntList ids = new IntList();
            boolean known = word.codePointCount(0, word.length()) <= most;
            for (int from = 0; known && from < word.length(); ) {
                int to = word.length();
                Integer id = null;
                while (to > from) {
                    id = json.vocabulary().get((from > 0 ? prefix : "") + word.substring(from, to));
                    if (id != null) {
                        break;
                    }
                    to -= Character.charCount(word.codePointBefore(to));
                }
                known = id != null;
                if (id != null) {
                    ids.add(id);
                }
                from = to;
            }
            if (known) {
                out.addAll(ids.toArray(), 0, ids.size());
            } else if (unknown != null) {
                out.add(unknown);
            }
        }
    }

    private static final class BytePairEncoding implements Model {
        private final TokenizerJson json;
        private final MergeRanks merges;
        private final int[] ids;
        private final boolean ignoreMerges;
        private final boolean byteFallback;

        BytePairEncoding(TokenizerJson json) {
            this.json = json;
            for (String setting : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
                if (!json.model().path(setting).asString("").isEmpty()) {
                    throw InputException.of(json.file(), "model." + setting, "expected none, which Quern can follow");
                }
            }
            ignoreMerges = json.model().path("ignore_merges").asBoolean(false);
            byteFallback = json.model().path("byte_fallback").asBoolean(false);
            byte[][] texts = new byte[json.vocabulary().size()][];
            ids = new int[texts.length];
            int count = 0;
            for (var entry : json.vocabulary().entrySet()) {
                texts[count] = entry.getKey().getBytes(StandardCharsets.UTF_8);
                ids[count++] = entry.getValue();
            }
            merges = new MergeRanks(texts, json.merges().size());
            int rank = 0;
            for (MergesReader.Merge merge : json.merges()) {
                merges.add(utf8(merge.left()), utf8(merge.right()), rank++);
            }
        }

        @Override
        public void encode(String word, IntList out) {
            if (ignoreMerges) {
                int whole = merges.symbol(utf8(word));
                if (whole >= 0 && whole < ids.length) {
                    out.add(ids[whole]);
                    return;
                }
            }
            List<Integer> symbols = new ArrayList<>();
            for (int c : word.codePoints().toArray()) {
                addSymbol(Character.toString(c), symbols);
            }
            while (mergeBest(symbols)) {
                // Words of a check text are short.
            }
            symbols.forEach(symbol -> {
                if (symbol < ids.length) {
                    out.add(ids[symbol]);
                }
            });
        }

        private void addSymbol(String character, List<Integer> symbols) {
            int symbol = merges.symbol(utf8(character));
            if (symbol >= 0) {
                symbols.add(symbol);
                return;
            }
            if (byteFallback) {
                for (byte b : utf8(character)) {
                    int known = merges.symbol(ByteTokens.spelling(b & 0xff));
                    if (known >= 0) {
                        symbols.add(known);
                    }
                }
                return;
            }
            int unknown = merges.symbol(utf8(json.model().path("unk_token").asString("")));
            if (unknown >= 0) {
                symbols.add(unknown);
            }
        }

        private boolean mergeBest(List<Integer> symbols) {
            long best = Long.MAX_VALUE;
            int at = -1;
            for (int i = 0; i + 1 < symbols.size(); i++) {
                long found = merges.find(symbols.get(i), symbols.get(i + 1));
                if (found >= 0 && found >>> 32 < best >>> 32) {
                    best = found;
                    at = i;
                }
            }
            if (at < 0) {
                return false;
            }
            symbols.set(at, (int) best);
            symbols.subList(at + 1, at + 2).clear();
            return true;
        }

        private static byte[] utf8(String text) {
            return text.getBytes(StandardCharsets.UTF_8);
        }
    }
}
