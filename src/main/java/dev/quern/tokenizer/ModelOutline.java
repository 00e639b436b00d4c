package dev.quern.tokenizer;

import dev.quern.io.InputException;
import java.nio.file.Path;

/**
 * Walks over a SentencePiece model file before anything is made of it, so that what the protobuf parser is given is
 * whole, shallow and of bounded size: it would allocate an object for each of 32 million empty pieces in 64 MiB.
 */
final class ModelOutline {
    /** Sixteen times the largest vocabulary in use (256 k); an id then still has room in 32 bits many times over. */
    static final int MOST_PIECES = 4 << 20;

    /** The longest pieces in use are some hundred bytes. */
    static final int LONGEST_PIECE = 64 << 10;

    /** Ten groups of seven bits hold 64. */
    private static final int LONGEST_VARINT = 10;

    private static final int PIECES = 1;
    private static final int TRAINER = 2;
    private static final int NORMALIZER = 3;

    private final Path file;
    private final byte[] bytes;
    private int at;
    private int pieces;

    private ModelOutline(Path file, byte[] bytes) {
        this.file = file;
        this.bytes = bytes;
    }

    /** @throws InputException when the bytes are not well-formed protobuf or go beyond a limit */
    static void check(Path file, byte[] bytes) {
        ModelOutline outline = new ModelOutline(file, bytes);
        outline.message(bytes.length, 0);
        if (outline.pieces == 0) {
            throw InputException.of(file, "expected a SentencePiece model, found no pieces");
        }
    }

    /** @param parent the field of the model that this message is, or 0 for the model itself */
    private void message(int end, int parent) {
        while (at < end) {
            int tagAt = at;
            long tag = varint(end);
            long field = tag >>> 3;
            if (field < 1 || field > 0x1fff_ffff) {
                throw refuse(
                        tagAt, "expected a field number from 1 to 536870911, found " + Long.toUnsignedString(field));
            }
            switch ((int) tag & 7) {
                case 0 -> varint(end);
                case 1 -> skip(tagAt, 8, end);
                case 2 -> {
                    long length = varint(end);
                    if (length < 0 || length > end - at) {
                        throw refuse(
                                tagAt,
                                "field " + field + ": expected " + Long.toUnsignedString(length) + " bytes, only "
                                        + (end - at) + " are left");
                    }
                    contents(tagAt, (int) field, (int) length, parent);
                }
                case 3, 4 ->
                    throw refuse(tagAt, "field " + field + ": expected no group, which the format does not use");
                case 5 -> skip(tagAt, 4, end);
                default ->
                    throw refuse(tagAt, "field " + field + ": expected a wire type from 0 to 5, found " + (tag & 7));
            }
        }
    }

    private void contents(int tagAt, int field, int length, int parent) {
        int end = at + length;
        if (parent == 0 && field == PIECES) {
            pieces++;
            if (pieces > MOST_PIECES) {
                throw refuse(tagAt, "expected at most " + MOST_PIECES + " pieces, found more");
            }
        }
        if (parent == PIECES && field == 1 && length > LONGEST_PIECE) {
            throw refuse(
                    tagAt, "piece " + (pieces - 1) + ": expected at most " + LONGEST_PIECE + " bytes, found " + length);
        }
        // Messages inside these three do not exist; unknown fields are bytes to us, however deep they claim to be.
        if (parent == 0 && (field == PIECES || field == TRAINER || field == NORMALIZER)) {
            message(end, field);
        }
        at = end;
    }

    private void skip(int tagAt, int count, int end) {
        if (count > end - at) {
            throw refuse(tagAt, "expected " + count + " bytes, only " + (end - at) + " are left");
        }
        at += count;
    }

    private long varint(int end) {
        int from = at;
        long value = 0;
        for (int i = 0; i < LONGEST_VARINT; i++) {
            if (at == end) {
                throw refuse(from, "expected a number, the message ends inside it");
            }
            byte b = bytes[at++];
            value |= (long) (b & 0x7f) << 7 * i;
            if (b >= 0) {
                return value;
            }
        }
        throw refuse(from, "expected a number of at most 10 bytes, found a longer one");
    }

    private InputException refuse(int where, String problem) {
        return InputException.of(file, "byte " + where, problem);
    }
}
