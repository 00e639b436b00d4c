package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * Tokens of byte pair encoding by rank, without merges: a token is made of the two that a merge of its rank would join.
 * So tiktoken has them, and files made for it.
 */
final class TokenRanks {
    private final Path file;
    private final byte[][] tokens;

    private TokenRanks(Path file, byte[][] tokens) {
        this.file = file;
        this.tokens = tokens;
    }

    /** A text file with a token's bytes in base64, a space and its rank in each line; ranks count up from 0. */
    static TokenRanks read(Path file) {
        List<byte[]> tokens = new ArrayList<>();
        for (String line :
                HuggingFaceFiles.text(file, (int) JsonFile.LARGEST).lines().toList()) {
            String where = "line " + (tokens.size() + 1);
            int space = line.indexOf(' ');
            if (space <= 0 || !line.substring(space + 1).strip().equals(Integer.toString(tokens.size()))) {
                throw InputException.expected(
                        file, where, "a token in base64 and its rank, " + tokens.size(), Quoted.of(line));
            }
            tokens.add(decoded(file, where, line.substring(0, space)));
        }
        return of(file, tokens);
    }

    /** tekken.json's list of tokens, at most {@code most} of them. */
    static TokenRanks of(Path file, JsonNode vocabulary, int most) {
        List<byte[]> tokens = new ArrayList<>();
        for (JsonNode one : vocabulary) {
            if (tokens.size() == most) {
                break;
            }
            String where = "vocab[" + tokens.size() + "]";
            if (!one.path("rank").isIntegralNumber() || one.path("rank").asLong(-1) != tokens.size()) {
                throw InputException.expected(file, where + ".rank", tokens.size(), JsonFile.found(one.path("rank")));
            }
            tokens.add(decoded(
                    file, where + ".token_bytes", one.path("token_bytes").asString("")));
        }
        return of(file, tokens);
    }

    private static TokenRanks of(Path file, List<byte[]> tokens) {
        if (tokens.isEmpty() || tokens.size() > ModelOutline.MOST_PIECES) {
            throw InputException.of(
                    file, "expected 1 to " + ModelOutline.MOST_PIECES + " tokens, found " + tokens.size());
        }
        TokenRanks ranks = new TokenRanks(file, tokens.toArray(byte[][]::new));
        ranks.table();
        return ranks;
    }

    private static byte[] decoded(Path file, String where, String text) {
        try {
            byte[] token = Base64.getDecoder().decode(text);
            if (token.length == 0 || token.length > ModelOutline.LONGEST_PIECE) {
                throw InputException.expected(
                        file, where, "1 to " + ModelOutline.LONGEST_PIECE + " bytes", token.length);
            }
            return token;
        } catch (IllegalArgumentException e) {
            throw InputException.expected(file, where, "base64", Quoted.of(text))
                    .withCause(e);
        }
    }

    /** Whether a file has this form, by its first line. */
    static boolean isRanks(byte[] beginning) {
        int end = 0;
        while (end < beginning.length && beginning[end] != '\n' && beginning[end] > 0) {
            end++;
        }
        String line = new String(beginning, 0, end, StandardCharsets.US_ASCII);
        return end < beginning.length && line.strip().matches("[A-Za-z0-9+/]+=* 0");
    }

    private TokenTable table() {
        TokenTable table = new TokenTable(tokens.length);
        for (int rank = 0; rank < tokens.length; rank++) {
            int before = table.put(tokens[rank], rank);
            if (before >= 0) {
                throw InputException.of(file, "tokens " + before + " and " + rank + ": expected different bytes");
            }
        }
        return table;
    }

    int size() {
        return tokens.length;
    }

    /** A token as byte-level vocabularies write it. */
    String spelled(int rank) {
        return new String(ByteAlphabet.spelled(tokens[rank], 0, tokens[rank].length), StandardCharsets.UTF_8);
    }

    /** For each token the pair that tiktoken would join last to make it; none for single bytes (Qwen's way). */
    List<MergesReader.Merge> lastMerges() {
        TokenTable table = table();
        List<MergesReader.Merge> merges = new ArrayList<>();
        for (int rank = 0; rank < tokens.length; rank++) {
            byte[] token = tokens[rank];
            if (token.length == 1) {
                continue;
            }
            int middle = lastCut(table, token, rank)
                    .orElseThrow(() -> InputException.of(
                            file, "expected every token to be made of two others, found one that is not"));
            merges.add(merge(token, middle));
        }
        return merges;
    }

    private static Optional<Integer> lastCut(TokenTable table, byte[] token, int rank) {
        // Where the parts begin; merged as tiktoken does, with ranks below the token's own.
        List<Integer> cuts = new ArrayList<>();
        for (int i = 0; i <= token.length; i++) {
            cuts.add(i);
        }
        while (true) {
            int best = Integer.MAX_VALUE;
            int at = -1;
            for (int i = 0; i + 2 < cuts.size(); i++) {
                int found = table.find(token, cuts.get(i), cuts.get(i + 2) - cuts.get(i));
                if (found >= 0 && found < best) {
                    best = found;
                    at = i;
                }
            }
            if (at < 0 || best >= rank) {
                break;
            }
            cuts.subList(at + 1, at + 2).clear();
        }
        return cuts.size() == 3 ? Optional.of(cuts.get(1)) : Optional.empty();
    }

    /** For each token every pair of tokens that makes it, those of low ranks first (transformers' and Mistral's way). */
    List<MergesReader.Merge> allMerges() {
        TokenTable table = table();
        List<MergesReader.Merge> merges = new ArrayList<>();
        for (byte[] token : tokens) {
            List<int[]> local = new ArrayList<>();
            for (int cut = 1; cut < token.length; cut++) {
                int left = table.find(token, 0, cut);
                int right = table.find(token, cut, token.length - cut);
                if (left >= 0 && right >= 0) {
                    local.add(new int[] {left, right, cut});
                }
            }
            local.sort(Comparator.<int[]>comparingInt(pair -> pair[0]).thenComparingInt(pair -> pair[1]));
            local.forEach(pair -> merges.add(merge(token, pair[2])));
        }
        return merges;
    }

    private static MergesReader.Merge merge(byte[] token, int cut) {
        return new MergesReader.Merge(
                text(ByteAlphabet.spelled(token, 0, cut)), text(ByteAlphabet.spelled(token, cut, token.length)));
    }

    private static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }
}
