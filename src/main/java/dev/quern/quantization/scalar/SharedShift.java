package dev.quern.quantization.scalar;

import java.util.Arrays;

/**
 * IQ1_S's search: of all ways to cut 32 sorted values into those that become -1, 0 and 1, with all levels shifted up or
 * all shifted down by an eighth, the one with the smallest weighted error, the first of several. An instance owns
 * scratch and the last result.
 */
public class SharedShift {
    protected static final int LENGTH = 32;

    /** Sums over the first values in order: of weight times value, and of weight. The rest repeats the last sum. */
    protected final float[] sumX = new float[LENGTH + 8];

    protected final float[] sumW = new float[LENGTH + 8];
    private float bestScale;
    private float bestGain;
    private int bestFirst;
    private int bestSecond;
    private boolean bestDown;

    final float scale() {
        return bestScale;
    }

    final int firstBound() {
        return bestFirst;
    }

    final int secondBound() {
        return bestSecond;
    }

    final boolean isDown() {
        return bestDown;
    }

    protected final float bestGain() {
        return bestGain;
    }

    /** Whether there is a best way: not if all weights are zero. */
    final boolean search(float[] row, int first, float[] weight, int[] order) {
        for (int place = 0; place < LENGTH; place++) {
            int i = order[place];
            sumX[place + 1] = sumX[place] + weight[i] * row[first + i];
            sumW[place + 1] = sumW[place] + weight[i];
        }
        Arrays.fill(sumX, LENGTH + 1, sumX.length, sumX[LENGTH]);
        Arrays.fill(sumW, LENGTH + 1, sumW.length, sumW[LENGTH]);
        bestGain = -Float.MAX_VALUE;
        bestFirst = -1;
        for (int one = 0; one <= LENGTH; one++) {
            cutFrom(one);
        }
        return bestFirst >= 0;
    }

    /** Tries all second bounds for one first bound. */
    protected void cutFrom(int one) {
        for (int two = one; two <= LENGTH; two++) {
            cut(one, two);
        }
    }

    protected final void cut(int one, int two) {
        weigh(one, two, TernaryGrid.UP, false);
        weigh(one, two, TernaryGrid.DOWN, true);
    }

    private void weigh(int one, int two, float[] q, boolean down) {
        float xq = (sumX[one] - sumX[0]) * q[0] + (sumX[two] - sumX[one]) * q[1] + (sumX[LENGTH] - sumX[two]) * q[2];
        float qq = (sumW[one] - sumW[0]) * q[0] * q[0]
                + (sumW[two] - sumW[one]) * q[1] * q[1]
                + (sumW[LENGTH] - sumW[two]) * q[2] * q[2];
        if (qq > 0 && xq * xq > bestGain * qq) {
            bestScale = xq / qq;
            bestGain = bestScale * xq;
            bestFirst = one;
            bestSecond = two;
            bestDown = down;
        }
    }
}
