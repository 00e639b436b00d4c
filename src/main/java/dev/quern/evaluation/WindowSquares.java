package dev.quern.evaluation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Sums each window's squares column by column, in the order of its tokens: float over a window, which the caller adds
 * up in double, so that neither threads nor windows in flight matter.
 */
final class WindowSquares implements InputObserver {
    private final Workers workers;
    private final Scratch[] scratch;
    private final int window;
    private final int count;
    private final ActivationObserver observer;

    /**
     * @param window tokens in a window
     * @param count windows in the call
     */
    WindowSquares(Workers workers, Scratch[] scratch, int window, int count, ActivationObserver observer) {
        this.workers = workers;
        this.scratch = scratch;
        this.window = window;
        this.count = count;
        this.observer = observer;
    }

    @Override
    public void seen(Packed input, WeightMatrix... products) {
        double[][] squares = new double[count][input.width()];
        int blocks = input.blocks();
        workers.each(count * blocks, (task, worker) -> {
            int which = task / blocks;
            int block = task % blocks;
            float[] sums = scratch[worker].squares;
            Arrays.fill(sums, 0);
            for (int row = which * window; row < (which + 1) * window; row++) {
                input.addSquares(block, row, sums);
            }
            for (int i = 0; i < input.blockWidth(block); i++) {
                squares[which][block * Blocked.BLOCK + i] = sums[i];
            }
        });
        for (String tensor : names(products)) {
            for (int which = 0; which < count; which++) {
                observer.seen(tensor, which, new double[][] {squares[which]}, new long[] {window});
            }
        }
    }

    @Override
    public void seenByExperts(Packed input, Routing routing, WeightMatrix... products) {
        int experts = routing.experts();
        double[][][] squares = new double[count][experts][input.width()];
        long[][] counts = new long[count][experts];
        workers.each(experts, (expert, worker) -> {
            float[] sums = scratch[worker].squares;
            int end = routing.first()[expert] + routing.counts()[expert];
            int slot = routing.first()[expert];
            while (slot < end) {
                int which = routing.tokens()[slot] / window;
                int begin = slot;
                while (slot < end && routing.tokens()[slot] / window == which) {
                    slot++;
                }
                counts[which][expert] = (long) slot - begin;
                for (int block = 0; block < input.blocks(); block++) {
                    Arrays.fill(sums, 0);
                    for (int row = begin; row < slot; row++) {
                        input.addSquares(block, row, sums);
                    }
                    for (int i = 0; i < input.blockWidth(block); i++) {
                        squares[which][expert][block * Blocked.BLOCK + i] = sums[i];
                    }
                }
            }
        });
        for (String tensor : names(products)) {
            for (int which = 0; which < count; which++) {
                observer.seen(tensor, which, squares[which], counts[which]);
            }
        }
    }

    /** Matrices that lie in one tensor are one product to those who quantize it. */
    private static Set<String> names(WeightMatrix[] products) {
        Set<String> names = new LinkedHashSet<>();
        for (WeightMatrix product : products) {
            names.add(product.name());
        }
        return names;
    }
}
