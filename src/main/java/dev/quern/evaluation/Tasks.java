package dev.quern.evaluation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Projection.Product;
import dev.quern.evaluation.gemm.Packed;

/**
 * How the work of one forward pass is shared out among its threads: by rows of states, or by panels of weights.
 *
 * @param scratch one for each worker
 * @param singly whether a token that comes alone may be computed in the way that is fastest for one
 */
@SuppressWarnings("ArrayRecordComponent")
record Tasks(Workers workers, Scratch[] scratch, Buffers buffers, boolean singly) {
    private static final int ROWS_PER_TASK = 64;

    /** What is done with some rows. */
    @FunctionalInterface
    interface RowTask {
        void run(int first, int count, Scratch scratch);
    }

    /** What is done with one panel, or with one of several matrices' panels. */
    @FunctionalInterface
    interface PanelTask {
        void run(int panel, Scratch scratch);
    }

    void rows(int count, RowTask task) {
        workers.each(
                Math.ceilDiv(count, ROWS_PER_TASK),
                (index, worker) -> task.run(
                        index * ROWS_PER_TASK,
                        Math.min(ROWS_PER_TASK, count - index * ROWS_PER_TASK),
                        scratch[worker]));
    }

    void panels(int count, PanelTask task) {
        workers.each(count, (panel, worker) -> task.run(panel, scratch[worker]));
    }

    /** How a call with this many tokens multiplies. */
    Projection projection(int tokens) {
        return new Projection(singly && tokens == 1);
    }

    /** Products of the same rows, all of one call's tokens. */
    void multiply(Packed input, Product... products) {
        int panels = 0;
        for (Product product : products) {
            panels += product.weights().panels();
        }
        Projection projection = projection(input.rows());
        panels(panels, (task, mine) -> {
            int panel = task;
            for (Product product : products) {
                if (panel < product.weights().panels()) {
                    projection.panel(input, product, panel, mine);
                    return;
                }
                panel -= product.weights().panels();
            }
        });
    }
}
