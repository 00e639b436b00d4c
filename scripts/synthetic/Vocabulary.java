package synthetic;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A tokenizer.model of any size: a SentencePiece ModelProto of kind BPE with LLaMA's settings. As in LLaMA's, the
 * unknown, begin and end pieces come first, then 256 bytes, then merges in order of rank, then the alphabet. Each merge
 * joins two pieces that exist before it, so that text can reach every one.
 */
final class Vocabulary {
    private static final int SPECIAL = 3;
    private static final int BYTES = 256;
    private static final String SPACE = "\u2581";
    /** By frequency in English, so that a small vocabulary still has the common ones. */
    private static final String ALPHABET = SPACE + "etaoinsrhldcumfpgwybvkxjqzETAOINSRHLDCUMFPGWYBVKXJQZ0123456789"
            + ".,-()'\":;/_=*!?<>[]{}#$%&+@\\^`|~" + "éèàäöüßñçáíóúâêôîïœæøåÉÖÜ" + "аеоинтсрвлкмдпуяыьгзбчйхжшю"
            + "αοιετνσρ";

    private static final int NEEDED_ALPHABET = 27;
    private static final int LONGEST_PIECE = 16;

    static final int SMALLEST = SPECIAL + BYTES + NEEDED_ALPHABET;

    private Vocabulary() {}

    static byte[] model(int size, long seed) {
        Proto model = new Proto();
        model.message(1, piece("<unk>", 0, 2));
        model.message(1, piece("<s>", 0, 3));
        model.message(1, piece("</s>", 0, 3));
        for (int b = 0; b < BYTES; b++) {
            model.message(1, piece(String.format("<0x%02X>", b), 0, 6));
        }
        int rank = 0;
        for (String text : pieces(size - SPECIAL - BYTES, seed)) {
            model.message(1, piece(text, -rank, 1));
            rank++;
        }
        model.message(2, trainerSpec(size));
        model.message(3, normalizerSpec());
        return model.bytes();
    }

    private static List<String> pieces(int count, long seed) {
        List<String> alphabet = ALPHABET.codePoints()
                .limit(Math.max(NEEDED_ALPHABET, count / 2))
                .mapToObj(Character::toString)
                .toList();
        List<String> known = new ArrayList<>(alphabet);
        Set<String> merges = new LinkedHashSet<>();
        long state = Weights.mix(seed ^ Weights.hash("tokenizer.model"));
        while (known.size() < count) {
            state = Weights.mix(state + 1);
            String merged = known.get(common((int) state, known.size()))
                    + known.get(common((int) (state >>> 32), known.size()));
            if (merged.length() <= LONGEST_PIECE && merged.lastIndexOf(SPACE) <= 0 && merges.add(merged)) {
                known.add(merged);
            }
        }
        List<String> pieces = new ArrayList<>(merges);
        pieces.addAll(alphabet.subList(0, Math.min(alphabet.size(), count)));
        return pieces;
    }

    /** An index below {@code bound}, small ones more often. */
    private static int common(int random, int bound) {
        double unit = (random & 0x7fffffff) * 0x1p-31;
        return (int) (unit * unit * bound);
    }

    private static Proto piece(String text, int score, int type) {
        Proto piece = new Proto();
        piece.text(1, text);
        piece.single(2, score);
        // Normal is the default.
        return type == 1 ? piece : piece.number(3, type);
    }

    private static Proto trainerSpec(int size) {
        return new Proto()
                .text(2, "synthetic")
                .number(3, 2) // model_type: BPE
                .number(4, size) // vocab_size
                .number(25, 1) // split_digits
                .number(26, 1) // allow_whitespace_only_pieces
                .number(35, 1) // byte_fallback
                .number(40, 0) // unk_id
                .number(41, 1) // bos_id
                .number(42, 2) // eos_id
                .number(43, -1) // pad_id
                .text(44, " \u2047 "); // unk_surface
    }

    private static Proto normalizerSpec() {
        return new Proto()
                .text(1, "identity")
                .text(2, "") // precompiled_charsmap
                .number(3, 1) // add_dummy_prefix
                .number(4, 0); // remove_extra_whitespaces
    }

    /** Protocol buffers' wire format, as much of it as the model needs. */
    private static final class Proto {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        byte[] bytes() {
            return out.toByteArray();
        }

        Proto number(int field, long value) {
            varint((long) field << 3);
            varint(value);
            return this;
        }

        Proto text(int field, String value) {
            return delimited(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Proto message(int field, Proto value) {
            return delimited(field, value.bytes());
        }

        Proto single(int field, float value) {
            varint((long) field << 3 | 5);
            int bits = Float.floatToIntBits(value);
            for (int shift = 0; shift < 32; shift += 8) {
                out.write(bits >>> shift);
            }
            return this;
        }

        private Proto delimited(int field, byte[] value) {
            varint((long) field << 3 | 2);
            varint(value.length);
            out.writeBytes(value);
            return this;
        }

        private void varint(long value) {
            long rest = value;
            while ((rest & ~0x7fL) != 0) {
                out.write((int) (rest & 0x7f | 0x80));
                rest >>>= 7;
            }
            out.write((int) rest);
        }
    }
}
