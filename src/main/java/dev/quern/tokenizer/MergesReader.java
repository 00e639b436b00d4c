package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import tools.jackson.databind.JsonNode;

/** Merges of byte pair encoding, from tokenizer.json's model or from merges.txt, in order of their rank. */
final class MergesReader {
    /** Sixteen times as many as the largest vocabulary in use has (half a million). */
    static final int MOST = 8 << 20;

    /** Two texts that are joined. */
    record Merge(String left, String right) {
        /** As GGUF has it: a space between the two, spaces inside as {@code Ġ}, which is how bytes are spelled. */
        String spelled() {
            return left.replace(' ', '\u0120') + " " + right.replace(' ', '\u0120');
        }
    }

    private MergesReader() {}

    /**
     * @param node strings with a space between the two sides, or pairs of strings
     * @param isToken whether a text is in the vocabulary, which both sides and what they become must be
     */
    static List<Merge> of(Path file, JsonNode node, Predicate<String> isToken) {
        List<Merge> merges = new ArrayList<>();
        if (node.isMissingNode() || node.isNull()) {
            return merges;
        }
        if (!node.isArray()) {
            throw InputException.expected(file, "model.merges", "a list", JsonFile.found(node));
        }
        checkCount(file, node.size());
        for (JsonNode one : node) {
            String where = "model.merges[" + merges.size() + "]";
            if (one.isString()) {
                merges.add(parted(file, where, one.stringValue()));
            } else if (one.isArray()
                    && one.size() == 2
                    && one.get(0).isString()
                    && one.get(1).isString()) {
                merges.add(new Merge(one.get(0).stringValue(), one.get(1).stringValue()));
            } else {
                throw InputException.expected(file, where, "two texts", JsonFile.found(one));
            }
            check(file, where, merges.getLast(), isToken);
        }
        return merges;
    }

    /** merges.txt: a first line of its own if it begins with #, then a merge in each line. */
    static List<Merge> read(Path file, Predicate<String> isToken) {
        List<Merge> merges = new ArrayList<>();
        List<String> lines =
                HuggingFaceFiles.text(file, (int) JsonFile.LARGEST).lines().toList();
        checkCount(file, lines.size());
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (line.isEmpty() || i == 0 && line.startsWith("#")) {
                continue;
            }
            String where = "line " + (i + 1);
            merges.add(parted(file, where, line));
            check(file, where, merges.getLast(), isToken);
        }
        return merges;
    }

    private static void checkCount(Path file, int count) {
        if (count > MOST) {
            throw InputException.of(file, "expected at most " + MOST + " merges, found " + count);
        }
    }

    private static Merge parted(Path file, String where, String merge) {
        int space = merge.indexOf(' ');
        if (space <= 0 || space == merge.length() - 1 || merge.indexOf(' ', space + 1) >= 0) {
            throw InputException.expected(file, where, "two texts with a space between them", Quoted.of(merge));
        }
        return new Merge(merge.substring(0, space), merge.substring(space + 1));
    }

    private static void check(Path file, String where, Merge merge, Predicate<String> isToken) {
        for (String text : List.of(merge.left(), merge.right(), merge.left() + merge.right())) {
            if (!isToken.test(text)) {
                throw InputException.expected(
                        file, where, "texts that are tokens, and make one", Quoted.of(text) + ", which is none");
            }
        }
    }
}
