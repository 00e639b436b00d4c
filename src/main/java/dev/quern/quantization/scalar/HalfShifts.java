package dev.quern.quantization.scalar;

import java.util.Arrays;

/**
 * IQ1_M's search: of all ways to cut 16 sorted values into those that become -1, 0 and 1, with the levels of either
 * half of the sub-block shifted up or down by an eighth, the one with the smallest weighted error, the first of
 * several. In llama.cpp v0.5.0 the errors come from sums kept for each half; earlier builds added them up anew, which
 * decides near ties otherwise.
 */
public class HalfShifts {
    protected static final int LENGTH = 16;
    private static final float UP = TernaryGrid.UP[2];
    private static final float DOWN = TernaryGrid.DOWN[2];
    /** What a value adds to the sum of squared levels when it is 0 instead of 1, or -1 instead of 0. */
    public static final float UP_ZERO = square(TernaryGrid.UP[1]) - square(TernaryGrid.UP[2]);

    public static final float UP_MINUS = square(TernaryGrid.UP[0]) - square(TernaryGrid.UP[1]);
    public static final float DOWN_ZERO = square(TernaryGrid.DOWN[1]) - square(TernaryGrid.DOWN[2]);
    public static final float DOWN_MINUS = square(TernaryGrid.DOWN[0]) - square(TernaryGrid.DOWN[1]);

    /**
     * Sums over the first values in order, those of one half of the sub-block: of weight times value, and of weight. The
     * rest repeats the last sum.
     */
    protected final float[] sumX0 = new float[LENGTH + 8];

    protected final float[] sumX1 = new float[LENGTH + 8];
    protected final float[] sumW0 = new float[LENGTH + 8];
    protected final float[] sumW1 = new float[LENGTH + 8];
    private float bestScale;
    private float bestGain;
    private int bestFirst;
    private int bestSecond;
    private int bestShifts;

    final float scale() {
        return bestScale;
    }

    final int firstBound() {
        return bestFirst;
    }

    final int secondBound() {
        return bestSecond;
    }

    /** Bit 1 is set if the first half is shifted down, bit 0 if the second is. */
    final int shifts() {
        return bestShifts;
    }

    protected final float bestGain() {
        return bestGain;
    }

    /** Whether there is a best way: not if all weights are zero. */
    final boolean search(float[] row, int first, float[] weight, int[] order) {
        for (int place = 0; place < LENGTH; place++) {
            int i = order[place];
            float x = weight[i] * row[first + i];
            boolean firstHalf = i < LENGTH / 2;
            sumX0[place + 1] = firstHalf ? sumX0[place] + x : sumX0[place];
            sumX1[place + 1] = firstHalf ? sumX1[place] : sumX1[place] + x;
            sumW0[place + 1] = firstHalf ? sumW0[place] + weight[i] : sumW0[place];
            sumW1[place + 1] = firstHalf ? sumW1[place] : sumW1[place] + weight[i];
        }
        repeatLast(sumX0);
        repeatLast(sumX1);
        repeatLast(sumW0);
        repeatLast(sumW1);
        bestGain = -Float.MAX_VALUE;
        bestShifts = -1;
        for (int one = 0; one <= LENGTH; one++) {
            cutFrom(one);
        }
        return bestShifts >= 0;
    }

    /** Tries all second bounds for one first bound. */
    protected void cutFrom(int one) {
        for (int two = one; two <= LENGTH; two++) {
            cut(one, two);
        }
    }

    protected final void cut(int one, int two) {
        float cut0 = sumX0[one] + sumX0[two];
        float cut1 = sumX1[one] + sumX1[two];
        float x0 = sumX0[LENGTH];
        float x1 = sumX1[LENGTH];
        float w0 = sumW0[LENGTH];
        float w1 = sumW1[LENGTH];
        float upX0 = x0 * UP - cut0;
        float upX1 = x1 * UP - cut1;
        float downX0 = x0 * DOWN - cut0;
        float downX1 = x1 * DOWN - cut1;
        float upQ0 = w0 * UP * UP + sumW0[one] * UP_MINUS + sumW0[two] * UP_ZERO;
        float upQ1 = w1 * UP * UP + sumW1[one] * UP_MINUS + sumW1[two] * UP_ZERO;
        float downQ0 = w0 * DOWN * DOWN + sumW0[one] * DOWN_MINUS + sumW0[two] * DOWN_ZERO;
        float downQ1 = w1 * DOWN * DOWN + sumW1[one] * DOWN_MINUS + sumW1[two] * DOWN_ZERO;
        weigh(one, two, 0, upX0 + upX1, upQ0 + upQ1);
        weigh(one, two, 1, upX0 + downX1, upQ0 + downQ1);
        weigh(one, two, 2, downX0 + upX1, downQ0 + upQ1);
        weigh(one, two, 3, downX0 + downX1, downQ0 + downQ1);
    }

    private void weigh(int one, int two, int shifts, float xq, float qq) {
        if (qq > 0 && xq * xq > bestGain * qq) {
            bestScale = xq / qq;
            bestGain = bestScale * xq;
            bestFirst = one;
            bestSecond = two;
            bestShifts = shifts;
        }
    }

    private static void repeatLast(float[] sums) {
        Arrays.fill(sums, LENGTH + 1, sums.length, sums[LENGTH]);
    }

    private static float square(float x) {
        return x * x;
    }
}
