package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A tokenizer as Hugging Face's tokenizers library writes it (tokenizer.json), checked; or put together from the files
 * that came before it.
 *
 * @param kind the model's type: BPE, WordPiece, Unigram
 * @param vocabulary ids by token, without the added tokens that are not in it
 * @param scores by id, for Unigram; otherwise without elements
 * @param merges for BPE
 * @param model the model's other settings
 * @param steps what stands around the model: normalizer, pre_tokenizer, post_processor, decoder
 */
record TokenizerJson(
        Path file,
        String kind,
        SequencedMap<String, Integer> vocabulary,
        float[] scores,
        List<MergesReader.Merge> merges,
        ObjectNode model,
        ObjectNode steps,
        List<AddedToken> added) {
    /** A token that is looked for in text before the model sees it. */
    record AddedToken(
            int id,
            String content,
            boolean special,
            boolean singleWord,
            boolean lstrip,
            boolean rstrip,
            boolean normalized) {}

    /** @throws InputException when the file is damaged, or says what no tokenizer can be */
    static TokenizerJson read(Path file) {
        ObjectNode whole = JsonFile.read(file);
        JsonNode model = whole.path("model");
        if (!(model instanceof ObjectNode settings)) {
            throw InputException.expected(file, "model", "an object", JsonFile.found(model));
        }
        String kind = settings.path("type").asString("");
        JsonNode vocabulary = settings.path("vocab");
        if (kind.isEmpty()) {
            // Files of before the types were written.
            kind = vocabulary.isArray() ? "Unigram" : settings.has("merges") ? "BPE" : "WordPiece";
        }
        SequencedMap<String, Integer> ids = new LinkedHashMap<>();
        float[] scores = new float[0];
        if (kind.equals("Unigram")) {
            scores = scored(file, vocabulary, ids);
        } else {
            numbered(file, "model.vocab", vocabulary, ids);
        }
        List<AddedToken> added = added(file, whole.path("added_tokens"), ids);
        Set<String> known = new HashSet<>(ids.keySet());
        added.forEach(token -> known.add(token.content()));
        List<MergesReader.Merge> merges =
                kind.equals("BPE") ? MergesReader.of(file, settings.path("merges"), known::contains) : List.of();
        settings.remove(List.of("vocab", "merges"));
        whole.remove(List.of("model", "added_tokens"));
        return new TokenizerJson(file, kind, ids, scores, merges, settings, whole, added);
    }

    /** All ids by token: the model's and the added ones. */
    SequencedMap<String, Integer> all() {
        SequencedMap<String, Integer> all = new LinkedHashMap<>(vocabulary);
        added.forEach(token -> all.put(token.content(), token.id()));
        return all;
    }

    Optional<Integer> id(String token) {
        for (AddedToken one : added) {
            if (one.content().equals(token)) {
                return Optional.of(one.id());
            }
        }
        return Optional.ofNullable(vocabulary.get(token));
    }

    /** An object of tokens and their ids, no id twice. */
    static void numbered(Path file, String where, JsonNode node, SequencedMap<String, Integer> out) {
        if (!node.isObject()) {
            throw InputException.expected(file, where, "an object of tokens and ids", JsonFile.found(node));
        }
        if (node.size() > ModelOutline.MOST_PIECES) {
            throw InputException.of(
                    file, where, "expected at most " + ModelOutline.MOST_PIECES + " tokens, found " + node.size());
        }
        Map<Integer, String> seen = HashMap.newHashMap(node.size());
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            int id = id(file, where + ": " + Quoted.of(entry.getKey()), entry.getValue());
            String before = seen.putIfAbsent(id, entry.getKey());
            if (before != null) {
                throw InputException.of(
                        file,
                        where,
                        "expected every id once, found " + id + " for " + Quoted.of(before) + " and "
                                + Quoted.of(entry.getKey()));
            }
            out.put(entry.getKey(), id);
        }
    }

    private static float[] scored(Path file, JsonNode node, SequencedMap<String, Integer> out) {
        if (!node.isArray()) {
            throw InputException.expected(file, "model.vocab", "a list of tokens and scores", JsonFile.found(node));
        }
        if (node.size() > ModelOutline.MOST_PIECES) {
            throw InputException.of(
                    file,
                    "model.vocab",
                    "expected at most " + ModelOutline.MOST_PIECES + " tokens, found " + node.size());
        }
        float[] scores = new float[node.size()];
        for (int id = 0; id < scores.length; id++) {
            String where = "model.vocab[" + id + "]";
            JsonNode one = node.get(id);
            if (!one.path(0).isString() || !one.path(1).isNumber()) {
                throw InputException.expected(file, where, "a token and a score", JsonFile.found(one));
            }
            scores[id] = one.path(1).floatValue();
            if (!Float.isFinite(scores[id])) {
                throw InputException.expected(file, where, "a finite score", scores[id]);
            }
            Integer before = out.put(one.path(0).stringValue(), id);
            if (before != null) {
                throw InputException.expected(
                        file,
                        where,
                        "a token that is not there yet",
                        Quoted.of(one.path(0).stringValue()) + ", token " + before);
            }
        }
        return scores;
    }

    private static List<AddedToken> added(Path file, JsonNode node, Map<String, Integer> vocabulary) {
        List<AddedToken> added = new ArrayList<>();
        Map<Integer, String> texts = HashMap.newHashMap(vocabulary.size());
        vocabulary.forEach((text, id) -> texts.put(id, text));
        for (JsonNode one : node) {
            String where = "added_tokens[" + added.size() + "]";
            JsonNode content = one.path("content");
            if (!content.isString() || content.stringValue().isEmpty()) {
                throw InputException.expected(file, where + ".content", "a text", JsonFile.found(content));
            }
            int id = id(file, where + ".id", one.path("id"));
            String before = texts.putIfAbsent(id, content.stringValue());
            if (before != null && !before.equals(content.stringValue())) {
                throw InputException.expected(
                        file,
                        where,
                        "token " + id + " to be " + Quoted.of(before) + ", as it is already",
                        Quoted.of(content.stringValue()));
            }
            boolean special = one.path("special").asBoolean(false);
            added.add(new AddedToken(
                    id,
                    content.stringValue(),
                    special,
                    one.path("single_word").asBoolean(false),
                    one.path("lstrip").asBoolean(false),
                    one.path("rstrip").asBoolean(false),
                    one.path("normalized").asBoolean(!special)));
        }
        return added;
    }

    private static int id(Path file, String where, JsonNode id) {
        if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
            throw InputException.expected(file, where, "an id from 0 to 2147483647", JsonFile.found(id));
        }
        return id.intValue();
    }
}
