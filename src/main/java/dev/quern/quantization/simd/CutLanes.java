package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.FLOATS;

import dev.quern.quantization.scalar.HalfShifts;
import dev.quern.quantization.scalar.SharedShift;
import dev.quern.quantization.scalar.TernaryGrid;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * IQ1's searches for the best two cuts, eight second cuts at a time. Lanes only say which of the eight is the first that
 * beats the best so far; that one is then tried by itself, and the search goes on after it with the bar raised.
 */
final class CutLanes {
    private CutLanes() {}

    static final class Shared extends SharedShift {
        @Override
        protected void cutFrom(int one) {
            int two = one;
            while (two <= LENGTH) {
                int lane = firstBetter(sumX, sumW, LENGTH, one, two, bestGain());
                if (lane < Lanes.COUNT) {
                    cut(one, two + lane);
                    lane++;
                }
                two += lane;
            }
        }
    }

    static final class Halves extends HalfShifts {
        @Override
        protected void cutFrom(int one) {
            int two = one;
            while (two <= LENGTH) {
                int lane = firstBetter(sumX0, sumX1, sumW0, sumW1, LENGTH, one, two, bestGain());
                if (lane < Lanes.COUNT) {
                    cut(one, two + lane);
                    lane++;
                }
                two += lane;
            }
        }
    }

    private static int firstBetter(float[] sumX, float[] sumW, int length, int one, int two, float gain) {
        float up0 = TernaryGrid.up(0);
        float up1 = TernaryGrid.up(1);
        float up2 = TernaryGrid.up(2);
        float down0 = TernaryGrid.down(0);
        float down1 = TernaryGrid.down(1);
        float down2 = TernaryGrid.down(2);
        float x = sumX[one] - sumX[0];
        float w = sumW[one] - sumW[0];
        FloatVector cutX = FloatVector.fromArray(FLOATS, sumX, two);
        FloatVector cutW = FloatVector.fromArray(FLOATS, sumW, two);
        FloatVector midX = cutX.sub(sumX[one]);
        FloatVector midW = cutW.sub(sumW[one]);
        FloatVector endX = FloatVector.broadcast(FLOATS, sumX[length]).sub(cutX);
        FloatVector endW = FloatVector.broadcast(FLOATS, sumW[length]).sub(cutW);
        FloatVector upX = midX.mul(up1).add(x * up0).add(endX.mul(up2));
        FloatVector upQ =
                midW.mul(up1).mul(up1).add(w * up0 * up0).add(endW.mul(up2).mul(up2));
        FloatVector downX = midX.mul(down1).add(x * down0).add(endX.mul(down2));
        FloatVector downQ = midW.mul(down1)
                .mul(down1)
                .add(w * down0 * down0)
                .add(endW.mul(down2).mul(down2));
        VectorMask<Float> up =
                upX.mul(upX).compare(VectorOperators.GT, upQ.mul(gain)).and(upQ.compare(VectorOperators.GT, 0f));
        VectorMask<Float> down = downX.mul(downX)
                .compare(VectorOperators.GT, downQ.mul(gain))
                .and(downQ.compare(VectorOperators.GT, 0f));
        return up.or(down).firstTrue();
    }

    private static int firstBetter(
            float[] sumX0, float[] sumX1, float[] sumW0, float[] sumW1, int length, int one, int two, float gain) {
        float up = TernaryGrid.up(2);
        float down = TernaryGrid.down(2);
        float w0 = sumW0[length];
        float w1 = sumW1[length];
        FloatVector cut0 = FloatVector.fromArray(FLOATS, sumX0, two).add(sumX0[one]);
        FloatVector cut1 = FloatVector.fromArray(FLOATS, sumX1, two).add(sumX1[one]);
        FloatVector upX0 = FloatVector.broadcast(FLOATS, sumX0[length] * up).sub(cut0);
        FloatVector upX1 = FloatVector.broadcast(FLOATS, sumX1[length] * up).sub(cut1);
        FloatVector downX0 = FloatVector.broadcast(FLOATS, sumX0[length] * down).sub(cut0);
        FloatVector downX1 = FloatVector.broadcast(FLOATS, sumX1[length] * down).sub(cut1);
        FloatVector cutW0 = FloatVector.fromArray(FLOATS, sumW0, two);
        FloatVector cutW1 = FloatVector.fromArray(FLOATS, sumW1, two);
        FloatVector upQ0 = cutW0.mul(HalfShifts.UP_ZERO).add(w0 * up * up + sumW0[one] * HalfShifts.UP_MINUS);
        FloatVector upQ1 = cutW1.mul(HalfShifts.UP_ZERO).add(w1 * up * up + sumW1[one] * HalfShifts.UP_MINUS);
        FloatVector downQ0 = cutW0.mul(HalfShifts.DOWN_ZERO).add(w0 * down * down + sumW0[one] * HalfShifts.DOWN_MINUS);
        FloatVector downQ1 = cutW1.mul(HalfShifts.DOWN_ZERO).add(w1 * down * down + sumW1[one] * HalfShifts.DOWN_MINUS);
        FloatVector x = upX0.add(upX1);
        FloatVector q = upQ0.add(upQ1);
        VectorMask<Float> better =
                x.mul(x).compare(VectorOperators.GT, q.mul(gain)).and(q.compare(VectorOperators.GT, 0f));
        x = upX0.add(downX1);
        q = upQ0.add(downQ1);
        better = better.or(x.mul(x).compare(VectorOperators.GT, q.mul(gain)).and(q.compare(VectorOperators.GT, 0f)));
        x = downX0.add(upX1);
        q = downQ0.add(upQ1);
        better = better.or(x.mul(x).compare(VectorOperators.GT, q.mul(gain)).and(q.compare(VectorOperators.GT, 0f)));
        x = downX0.add(downX1);
        q = downQ0.add(downQ1);
        better = better.or(x.mul(x).compare(VectorOperators.GT, q.mul(gain)).and(q.compare(VectorOperators.GT, 0f)));
        return better.firstTrue();
    }
}
