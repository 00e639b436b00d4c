package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass.Activation;
import dev.quern.evaluation.Buffers.Use;
import dev.quern.evaluation.Projection.Product;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A block's selective state space (Gu and Dao 2023, Mamba) between the norm before it and the output matrix after it. A
 * short causal convolution over each channel's tokens gives u; Δ, B and C follow from u; then for each channel c with its
 * states n
 *
 * <pre>h[c,n] = exp(Δ[c] A[c,n]) h[c,n] + Δ[c] B[n] u[c],   y[c] = Σ C[n] h[c,n] + D[c] u[c],</pre>
 *
 * <p>and y times silu(z) goes on, z being the other half of what the first matrix gives. Channels do not meet before the
 * output matrix, so blocks of them are computed apart, each along all tokens.
 */
record StateSpaceLayer(Hyperparameters sizes, Tasks tasks) {
    /**
     * What a sequence hands on from token to token: the convolution's last inputs, oldest first, and the states. Both lie
     * block of channels by block of channels, and in each row by row.
     */
    @SuppressWarnings("ArrayRecordComponent")
    record State(float[] inputs, float[] states) {
        static State of(Hyperparameters.Scan scan) {
            return new State(
                    new float[Math.multiplyExact(scan.kernel() - 1, scan.inner())],
                    new float[Math.multiplyExact(scan.states(), scan.inner())]);
        }
    }

    /**
     * Rows that follow each other.
     *
     * @param before what the first of them follows, or null at the beginning of a text
     * @param after receives what the last of them hands on, unless it is null
     * @param from the first row, counted within the run, whose results are wanted
     * @param to the row after the last such
     * @param out where the first such row's results go
     */
    record Run(
            int first,
            int count,
            @Nullable State before,
            @Nullable State after,
            int from,
            int to,
            int out) {}

    /** Which of a call's rows follow each other. */
    @FunctionalInterface
    interface Sequences {
        /** Chains of runs: one may follow what another of its chain, before it, hands on. */
        List<List<Run>> of(int block);
    }

    /**
     * @param input normalized states of all tokens
     * @param wanted how many rows the result has
     */
    Packed scanned(Weights.StateSpace block, Packed input, int wanted, List<List<Run>> chains, InputObserver observer) {
        Hyperparameters.Scan scan = sizes.scan();
        int rows = input.rows();
        observer.seen(input, block.input(), block.gate());
        Blocked x = tasks.buffers().blocked(Use.INNER, rows, scan.inner());
        Blocked gate = tasks.buffers().blocked(Use.SCAN_GATE, rows, scan.inner());
        tasks.multiply(input, new Product(block.input(), x, false), new Product(block.gate(), gate, false));
        Packed u = tasks.buffers().packed(Use.CONVOLVED, rows, scan.inner());
        each(chains, x.blocks(), (chain, channels) -> convolve(block, chain, channels, x, u));
        observer.seen(u, block.parts());
        Blocked parts = tasks.buffers().blocked(Use.SCAN_PARTS, rows, scan.rank() + 2 * scan.states());
        tasks.multiply(u, new Product(block.parts(), parts, false));
        Packed narrow = tasks.buffers().packed(Use.NARROW_STEPS, rows, scan.rank());
        tasks.rows(rows, (first, count, mine) -> narrowSteps(parts, narrow, first, count, mine.row));
        observer.seen(narrow, block.step());
        Blocked steps = tasks.buffers().blocked(Use.SCAN_STEPS, rows, scan.inner());
        tasks.multiply(narrow, new Product(block.step(), steps, false));
        Packed scanned = tasks.buffers().packed(Use.NORMED, wanted, scan.inner());
        each(
                chains,
                x.blocks(),
                (chain, channels) -> new Scan(block, u, gate, parts, steps, scanned).run(chain, channels));
        return scanned;
    }

    @FunctionalInterface
    private interface ChannelTask {
        void run(List<Run> chain, int channels);
    }

    private void each(List<List<Run>> chains, int blocks, ChannelTask task) {
        tasks.panels(chains.size() * blocks, (number, mine) -> task.run(chains.get(number / blocks), number % blocks));
    }

    /** Takes Δ's part out of each row, normalizing all three parts where the model does (FalconMamba). */
    private void narrowSteps(Blocked parts, Packed narrow, int first, int count, float[] row) {
        Hyperparameters.Scan scan = sizes.scan();
        Norm norm = new Norm(sizes.pass().norm(), new float[0], new float[0], sizes.normEpsilon());
        for (int i = first; i < first + count; i++) {
            parts.read(i, 0, parts.width(), row, 0);
            if (scan.normed()) {
                norm.apply(row, 0, scan.rank());
                norm.apply(row, scan.rank(), scan.states());
                norm.apply(row, scan.rank() + scan.states(), scan.states());
                parts.write(i, 0, parts.width(), row, 0);
            }
            narrow.write(i, 0, scan.rank(), row, 0);
        }
    }

    private void convolve(Weights.StateSpace block, List<Run> chain, int channels, Blocked x, Packed u) {
        int taps = sizes.scan().kernel();
        int width = x.blockWidth(channels);
        int column = channels * Blocked.BLOCK;
        int handed = column * (taps - 1);
        float[][] recent = new float[taps][width];
        float[] sum = new float[lanes(width)];
        for (Run run : chain) {
            State before = run.before();
            for (int i = 0; i < taps - 1; i++) {
                if (before == null) {
                    Arrays.fill(recent[i], 0);
                } else {
                    System.arraycopy(before.inputs(), handed + i * width, recent[i], 0, width);
                }
            }
            for (int row = run.first(); row < run.first() + run.count(); row++) {
                float[] newest = recent[taps - 1];
                x.read(row, column, width, newest, 0);
                System.arraycopy(block.convolutionBias(), column, sum, 0, width);
                for (int tap = 0; tap < taps; tap++) {
                    addProducts(block.convolution(), tap * x.width() + column, recent[tap], sum, width);
                }
                Activations.apply(Activation.SILU, sum, sum, sum.length);
                u.write(row, column, width, sum, 0);
                // What was the oldest is read over next.
                float[] oldest = recent[0];
                System.arraycopy(recent, 1, recent, 0, taps - 1);
                recent[taps - 1] = oldest;
            }
            State after = run.after();
            for (int i = 0; after != null && i < taps - 1; i++) {
                System.arraycopy(recent[i], 0, after.inputs(), handed + i * width, width);
            }
        }
    }

    /** One block of channels along a chain of runs. */
    private final class Scan {
        private final Weights.StateSpace block;
        private final Packed u;
        private final Blocked gates;
        private final Blocked parts;
        private final Blocked steps;
        private final Packed out;
        private final int states = sizes.scan().states();

        Scan(Weights.StateSpace block, Packed u, Blocked gates, Blocked parts, Blocked steps, Packed out) {
            this.block = block;
            this.u = u;
            this.gates = gates;
            this.parts = parts;
            this.steps = steps;
            this.out = out;
        }

        void run(List<Run> chain, int channels) {
            int width = gates.blockWidth(channels);
            int column = channels * Blocked.BLOCK;
            int handed = column * states;
            float[] state = new float[states * width];
            float[] decay = new float[states * width];
            float[] step = new float[width];
            float[] input = new float[width];
            float[] result = new float[width];
            float[] gate = new float[lanes(width)];
            float[] weights = new float[2 * states];
            float[] lanes = new float[8];
            for (Run run : chain) {
                State before = run.before();
                if (before == null) {
                    Arrays.fill(state, 0);
                } else {
                    System.arraycopy(before.states(), handed, state, 0, state.length);
                }
                for (int i = 0; i < run.count(); i++) {
                    int row = run.first() + i;
                    steps.read(row, column, width, step, 0);
                    softplus(step, width);
                    u.read(row, column, width, input, 0);
                    parts.read(row, sizes.scan().rank(), 2 * states, weights, 0);
                    for (int n = 0; n < states; n++) {
                        products(step, block.decay(), handed + n * width, decay, n * width, width);
                    }
                    Exponential.exponentiate(decay, 0, decay.length, 0, lanes);
                    products(block.skip(), column, input, result, width);
                    for (int c = 0; c < width; c++) {
                        step[c] *= input[c];
                    }
                    for (int n = 0; n < states; n++) {
                        advance(state, decay, n * width, step, weights[n], weights[states + n], result, width);
                    }
                    if (i >= run.from() && i < run.to()) {
                        gates.read(row, column, width, gate, 0);
                        Activations.apply(Activation.SILU, gate, gate, gate.length);
                        for (int c = 0; c < width; c++) {
                            result[c] *= gate[c];
                        }
                        out.write(run.out() + i - run.from(), column, width, result, 0);
                    }
                }
                State after = run.after();
                if (after != null) {
                    System.arraycopy(state, 0, after.states(), handed, state.length);
                }
            }
        }
    }

    /** A number of floats in whole lanes. */
    private static int lanes(int count) {
        return (count + 7) & -8;
    }

    private static void addProducts(float[] weights, int at, float[] x, float[] sum, int count) {
        for (int i = 0; i < count; i++) {
            sum[i] += weights[at + i] * x[i];
        }
    }

    private static void products(float[] x, float[] y, int at, float[] out, int to, int count) {
        for (int i = 0; i < count; i++) {
            out[to + i] = x[i] * y[at + i];
        }
    }

    private static void products(float[] x, int at, float[] y, float[] out, int count) {
        for (int i = 0; i < count; i++) {
            out[i] = x[at + i] * y[i];
        }
    }

    /** One state of every channel takes the token up, and adds its part to the result. */
    private static void advance(
            float[] state, float[] decay, int at, float[] step, float in, float out, float[] result, int count) {
        for (int i = 0; i < count; i++) {
            float h = state[at + i] * decay[at + i] + step[i] * in;
            state[at + i] = h;
            result[i] += h * out;
        }
    }

    /** ln(1 + e^x); beyond 20 that is x in float. */
    private static void softplus(float[] values, int count) {
        for (int i = 0; i < count; i++) {
            float x = values[i];
            values[i] = x > 20 ? x : (float) Math.log1p(Math.exp(x));
        }
    }
}
