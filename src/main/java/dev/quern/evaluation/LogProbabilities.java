package dev.quern.evaluation;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Rows of log probabilities: from logits, against each other, and in 16 bits as llama-perplexity stores them.
 */
final class LogProbabilities {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Bytes of scale and least value before a row's codes. */
    static final int PREFIX = 2 * Float.BYTES;

    /** Nothing farther than this below the largest logit is told apart; the peer's choice. */
    private static final float DEPTH = 16;

    private static final float CODES = 65535;

    /** Adding 1.5 · 2^23 rounds to an integer, half to even, and leaves it in the low bits. */
    private static final float ROUNDER = 12582912f;

    /** Values that float lanes add up before their sum goes on in double. */
    private static final int BLOCK = 512;

    private LogProbabilities() {}

    /** Index of the first of the largest of {@code count} values, which must hold no NaN. */
    static int indexOfMax(float[] values, int at, int count, float max) {
        FloatVector wanted = FloatVector.broadcast(Exponential.LANES, max);
        int i = 0;
        for (; i <= count - 8; i += 8) {
            VectorMask<Float> equal =
                    FloatVector.fromArray(Exponential.LANES, values, at + i).compare(VectorOperators.EQ, wanted);
            if (equal.anyTrue()) {
                return i + equal.firstTrue();
            }
        }
        while (i < count && values[at + i] != max) {
            i++;
        }
        return i;
    }

    /**
     * Σ e^(value - max) over {@code count} values.
     *
     * @param lanes scratch for eight floats
     */
    static double sumOfExponentials(float[] values, int at, int count, float max, float[] lanes) {
        double sum = 0;
        int whole = count & -8;
        for (int from = 0; from < whole; from += BLOCK) {
            int to = Math.min(whole, from + BLOCK);
            FloatVector sums = FloatVector.zero(Exponential.LANES);
            for (int i = from; i < to; i += 8) {
                sums = Exponential.of(FloatVector.fromArray(Exponential.LANES, values, at + i)
                                .sub(max))
                        .add(sums);
            }
            sums.intoArray(lanes, 0);
            sum += total(lanes);
        }
        for (int i = whole; i < count; i++) {
            sum += (float) Math.exp(values[at + i] - max);
        }
        return sum;
    }

    /**
     * Σ p · (ln p - ln q) over all tokens, where ln p = {@code base[i] - baseShift} and ln q = {@code logits[i] - shift}.
     *
     * @param lanes scratch for eight floats
     */
    static double divergence(
            float[] base, int baseAt, float baseShift, float[] logits, int at, float shift, int count, float[] lanes) {
        double sum = 0;
        int whole = count & -8;
        for (int from = 0; from < whole; from += BLOCK) {
            int to = Math.min(whole, from + BLOCK);
            FloatVector sums = FloatVector.zero(Exponential.LANES);
            for (int i = from; i < to; i += 8) {
                FloatVector p = FloatVector.fromArray(Exponential.LANES, base, baseAt + i)
                        .sub(baseShift);
                FloatVector q =
                        FloatVector.fromArray(Exponential.LANES, logits, at + i).sub(shift);
                sums = Exponential.of(p).mul(p.sub(q)).add(sums);
            }
            sums.intoArray(lanes, 0);
            sum += total(lanes);
        }
        for (int i = whole; i < count; i++) {
            float p = base[baseAt + i] - baseShift;
            sum += (float) Math.exp(p) * (p - (logits[at + i] - shift));
        }
        return sum;
    }

    /**
     * {@link #sumOfExponentials} as llama-perplexity has it, to the last bit: terms rounded to float, summed in double in
     * order. Ten times slower than lanes.
     */
    static double peersSum(float[] values, int at, int count, float max) {
        double sum = 0;
        for (int i = at; i < at + count; i++) {
            sum += (float) Math.exp(values[i] - max);
        }
        return sum;
    }

    /**
     * {@link #divergence} as llama-perplexity has it, to the last bit.
     *
     * @param base log probabilities
     * @param mass its first element receives Σ p over the tokens that count
     */
    static double peersDivergence(
            float[] base, int baseAt, float[] logits, int at, float shift, int count, float threshold, float[] mass) {
        double sum = 0;
        double all = 0;
        for (int i = 0; i < count; i++) {
            float p = base[baseAt + i];
            if (p > threshold) {
                float probability = (float) Math.exp(p);
                all += probability;
                sum += probability * (p - logits[at + i] + shift);
            }
        }
        mass[0] = (float) all;
        return sum;
    }

    private static double total(float[] lanes) {
        double sum = 0;
        for (int lane = 0; lane < 8; lane++) {
            sum += lanes[lane];
        }
        return sum;
    }

    /** Bytes of a row: scale, least value, and a code for each token, of which the peer keeps an even number. */
    static long rowBytes(int vocabulary) {
        return PREFIX + 2L * Short.BYTES * ((vocabulary + 1L) / 2);
    }

    /**
     * Writes a row as llama-perplexity does (tools/perplexity, {@code log_softmax}), bit for bit: the order of its float
     * operations, e^x rounded to float term by term and summed in double.
     */
    static void encode(float[] logits, int at, int vocabulary, MemorySegment row) {
        float max = logits[at];
        float min = logits[at];
        for (int i = 1; i < vocabulary; i++) {
            max = Math.max(max, logits[at + i]);
            min = Math.min(min, logits[at + i]);
        }
        min = Math.max(min, max - DEPTH);
        float logSum = (float) Math.log(peersSum(logits, at, vocabulary, max));
        float scale = (max - min) / CODES;
        row.set(FLOAT, 0, scale);
        row.set(FLOAT, Float.BYTES, min - max - logSum);
        float inverse = 1 / scale;
        for (int i = 0; i < vocabulary; i++) {
            float logit = logits[at + i];
            int code = scale != 0 && logit > min ? nearest(inverse * (logit - min)) : 0;
            row.set(SHORT, PREFIX + 2L * i, (short) code);
        }
        if (vocabulary % 2 != 0) {
            row.set(SHORT, PREFIX + 2L * vocabulary, (short) 0);
        }
    }

    private static int nearest(float value) {
        return (Float.floatToRawIntBits(value + ROUNDER) & 0x007fffff) - 0x00400000;
    }

    /** What {@link #encode} wrote: {@code scale · code + least}. */
    static void decode(MemorySegment row, int vocabulary, short[] codes, float[] out, int at) {
        float scale = row.get(FLOAT, 0);
        float least = row.get(FLOAT, Float.BYTES);
        MemorySegment.copy(row, SHORT, PREFIX, codes, 0, vocabulary);
        for (int i = 0; i < vocabulary; i++) {
            out[at + i] = scale * (codes[i] & 0xffff) + least;
        }
    }

    static float scale(MemorySegment row) {
        return row.get(FLOAT, 0);
    }

    static float least(MemorySegment row) {
        return row.get(FLOAT, Float.BYTES);
    }
}
