package dev.quern.evaluation;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;

/**
 * A model's log probabilities as llama-perplexity's {@code --kl-divergence-base} keeps them: the magic, three 32-bit
 * integers (tokens in a window, tokens in the vocabulary, windows), the windows' tokens as the text has them, and a row
 * of 16-bit codes for each scored position ({@link LogProbabilities}). The whole layout is checked when it is opened, a
 * row when it is read.
 */
public final class BaseFile implements AutoCloseable {
    static final byte[] MAGIC = "_logits_".getBytes(StandardCharsets.US_ASCII);
    static final int HEADER = 20;

    // Far above any model there is; what lies beyond is a damaged file.
    private static final int MOST_TOKENS = 1 << 24;

    /** A row's probabilities add up to one but for what lies 16 below the largest: e^-16 for each such token. */
    private static final double LEAST_MASS = 0.9;

    private static final double MOST_MASS = 1.01;

    /** The largest log probability is 0; a rounded one may be a little more. */
    private static final float MOST_LOG = 1e-3f;

    private final MappedFile file;
    private final int window;
    private final int vocabulary;
    private final int count;
    private final long rows;

    private BaseFile(MappedFile file, int window, int vocabulary, int count) {
        this.file = file;
        this.window = window;
        this.vocabulary = vocabulary;
        this.count = count;
        this.rows = HEADER + 4L * window * count;
    }

    /** @throws InputException for anything that is not a whole file of this kind */
    public static BaseFile open(Path path) {
        MappedFile file = MappedFile.open(path);
        try {
            return opened(file);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static BaseFile opened(MappedFile file) {
        Path path = file.path();
        if (file.size() < HEADER) {
            throw InputException.of(
                    path, "expected at least the " + HEADER + " bytes of the header, found " + file.size() + " bytes");
        }
        Region region = file.region();
        byte[] magic = region.bytes(0, MAGIC.length);
        if (!Arrays.equals(magic, MAGIC)) {
            throw InputException.of(
                            path,
                            "byte 0",
                            "expected _logits_, found 0x"
                                    + java.util.HexFormat.of().formatHex(magic))
                    .withHint("a file that llama-perplexity --kl-divergence-base or quern compare --save-base wrote");
        }
        int window = within(path, "byte 8: tokens in a window", region.i32(8), Windows.LEAST);
        int vocabulary = within(path, "byte 12: tokens in the vocabulary", region.i32(12), 2);
        int count = within(path, "byte 16: windows", region.i32(16), 1);
        long expected = size(window, vocabulary, count);
        if (file.size() != expected) {
            throw InputException.of(
                            path,
                            "expected " + expected + " bytes for " + count + " windows of " + window + " tokens and "
                                    + vocabulary + " log probabilities a position, found " + file.size() + " bytes")
                    .withHint(file.size() < expected ? "the file is cut off" : "the file holds more than it says");
        }
        BaseFile base = new BaseFile(file, window, vocabulary, count);
        base.requireTokens();
        return base;
    }

    private static int within(Path path, String where, int found, int least) {
        if (found < least || found > MOST_TOKENS) {
            throw InputException.expected(path, where, least + " to " + MOST_TOKENS, found);
        }
        return found;
    }

    /** Bytes of a file. */
    static long size(int window, int vocabulary, int count) {
        long positions = (long) count * (window - 1 - window / 2);
        try {
            return Math.addExact(
                    HEADER + 4L * window * count, Math.multiplyExact(positions, LogProbabilities.rowBytes(vocabulary)));
        } catch (ArithmeticException e) {
            // No file has so many bytes.
            return Long.MAX_VALUE;
        }
    }

    private void requireTokens() {
        for (long i = 0; i < (long) window * count; i++) {
            int token = file.region().i32(HEADER + 4 * i);
            if (token < 0 || token >= vocabulary) {
                throw InputException.expected(
                        file.path(), "byte " + (HEADER + 4 * i) + ": token " + i, "0 to " + (vocabulary - 1), token);
            }
        }
    }

    public Path path() {
        return file.path();
    }

    /** Tokens in a window. */
    public int window() {
        return window;
    }

    public int vocabulary() {
        return vocabulary;
    }

    /** Windows in the file. */
    public int count() {
        return count;
    }

    /**
     * The windows that the file was made from.
     *
     * @param beginning the token that replaces each window's first for the models that are compared
     * @param most windows at most
     */
    public Windows windows(OptionalInt beginning, int most) {
        int windows = Math.min(most, count);
        int[] tokens = new int[Math.multiplyExact(windows, window)];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = file.region().i32(HEADER + 4L * i);
        }
        return new Windows(file.path().toString(), tokens, beginning, window, window, window / 2, windows);
    }

    /**
     * @param text the text's name, for the message
     * @param tokens what the text makes
     * @throws InputException when the file was made from another text, or by a model with another tokenizer
     */
    public void requireText(String text, int[] tokens) {
        for (long i = 0; i < (long) window * count; i++) {
            int token = file.region().i32(HEADER + 4 * i);
            if (i >= tokens.length || tokens[(int) i] != token) {
                throw InputException.of(
                                file.path(),
                                "token " + i,
                                "expected " + (i >= tokens.length ? "no more" : "the " + tokens[(int) i]) + " that "
                                        + text + " makes, found " + token)
                        .withHint("the file was made from another text or by a model with another tokenizer");
            }
        }
    }

    /**
     * Reads one position's log probabilities; whether they add up is for the reader of all of them to see, who then asks
     * {@link #requireMass}.
     *
     * @param position scored positions, counted through all windows
     * @param codes scratch for the vocabulary
     * @throws InputException when the row's scale cannot be
     */
    void read(long position, short[] codes, float[] out, int at) {
        long bytes = LogProbabilities.rowBytes(vocabulary);
        MemorySegment row = file.region().segment().asSlice(rows + position * bytes, bytes);
        float scale = LogProbabilities.scale(row);
        float least = LogProbabilities.least(row);
        float most = scale * 65535 + least;
        if (!(scale >= 0) || !Float.isFinite(least) || !(most <= MOST_LOG)) {
            throw refused(position, "expected log probabilities up to 0, found " + least + " to " + most);
        }
        LogProbabilities.decode(row, vocabulary, codes, out, at);
    }

    /** @throws InputException when a row's probabilities do not add up to one */
    void requireMass(long position, double mass) {
        if (!(mass >= LEAST_MASS && mass <= MOST_MASS)) {
            throw refused(position, "expected probabilities that add up to 1, found " + (float) mass);
        }
    }

    private InputException refused(long position, String problem) {
        int each = window - 1 - window / 2;
        return InputException.of(
                file.path(),
                "byte " + (rows + position * LogProbabilities.rowBytes(vocabulary)) + ": window "
                        + (position / each + 1) + ", position " + (window / 2 + position % each),
                problem);
    }

    /** Header and tokens of a file. */
    static byte[] head(Windows windows, int vocabulary) {
        int[] tokens = windows.covered();
        MemorySegment head =
                MemorySegment.ofArray(new byte[Math.addExact(HEADER, Math.multiplyExact(4, tokens.length))]);
        ValueLayout.OfInt ints = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        MemorySegment.copy(MAGIC, 0, head, ValueLayout.JAVA_BYTE, 0, MAGIC.length);
        head.set(ints, 8, windows.length());
        head.set(ints, 12, vocabulary);
        head.set(ints, 16, windows.count());
        MemorySegment.copy(tokens, 0, head, ints, HEADER, tokens.length);
        return head.toArray(ValueLayout.JAVA_BYTE);
    }

    @Override
    public void close() {
        file.close();
    }
}
