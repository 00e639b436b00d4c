package dev.quern.evaluation;

import dev.quern.concurrent.Workers;
import java.util.stream.DoubleStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** What the machine's float units can do: fused multiply-adds on registers alone, nothing read or written. */
final class PeakFloat {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;
    private static final int CHAINS = 12;
    private static final int STEPS = 20_000;
    private static final long NANOS = 300_000_000;

    private PeakFloat() {}

    /** GFLOP/s of that many threads together, two operations for a multiply-add. */
    static double measure(int threads) {
        double[] found = new double[threads];
        try (Workers workers = new Workers(threads, "peak")) {
            workers.each(threads, (task, worker) -> found[task] = one());
        }
        return DoubleStream.of(found).sum();
    }

    private static double one() {
        float[] out = new float[CHAINS * LANES.length()];
        long start = System.nanoTime();
        long rounds = 0;
        while (System.nanoTime() - start < NANOS) {
            chains(out, 0.999f);
            rounds++;
        }
        return rounds * (2.0 * CHAINS * LANES.length() * STEPS) / (System.nanoTime() - start);
    }

    private static void chains(float[] out, float factor) {
        FloatVector x = FloatVector.broadcast(LANES, factor);
        FloatVector y = FloatVector.broadcast(LANES, 1 - factor);
        FloatVector a = x.add(1);
        FloatVector b = x.add(2);
        FloatVector c = x.add(3);
        FloatVector d = x.add(4);
        FloatVector e = x.add(5);
        FloatVector f = x.add(6);
        FloatVector g = x.add(7);
        FloatVector h = x.add(8);
        FloatVector i = x.add(9);
        FloatVector j = x.add(10);
        FloatVector k = x.add(11);
        FloatVector l = x.add(12);
        for (int step = 0; step < STEPS; step++) {
            a = x.fma(y, a);
            b = x.fma(y, b);
            c = x.fma(y, c);
            d = x.fma(y, d);
            e = x.fma(y, e);
            f = x.fma(y, f);
            g = x.fma(y, g);
            h = x.fma(y, h);
            i = x.fma(y, i);
            j = x.fma(y, j);
            k = x.fma(y, k);
            l = x.fma(y, l);
        }
        a.intoArray(out, 0);
        b.intoArray(out, 8);
        c.intoArray(out, 16);
        d.intoArray(out, 24);
        e.intoArray(out, 32);
        f.intoArray(out, 40);
        g.intoArray(out, 48);
        h.intoArray(out, 56);
        i.intoArray(out, 64);
        j.intoArray(out, 72);
        k.intoArray(out, 80);
        l.intoArray(out, 88);
    }
}
