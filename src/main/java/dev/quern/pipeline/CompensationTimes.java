package dev.quern.pipeline;

import java.util.Locale;
import java.util.function.Supplier;

/** Seconds by what they went to; what runs inside something else counts as itself only. */
final class CompensationTimes {
    private double forward;
    private double moments;
    private double factors;
    private double codes;
    private double judging;

    void forward(Runnable work) {
        double inside = moments;
        double begun = now();
        work.run();
        forward += now() - begun - (moments - inside);
    }

    void moments(Runnable work) {
        double begun = now();
        work.run();
        moments += now() - begun;
    }

    <T> T factors(Supplier<T> work) {
        double begun = now();
        T result = work.get();
        factors += now() - begun;
        return result;
    }

    void codes(Runnable work) {
        double begun = now();
        work.run();
        codes += now() - begun;
    }

    void judging(Runnable work) {
        double begun = now();
        work.run();
        judging += now() - begun;
    }

    private static double now() {
        return System.nanoTime() / 1e9;
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "forward %.1f s, moments %.1f s, factors %.1f s, codes %.1f s, judging %.1f s",
                forward,
                moments,
                factors,
                codes,
                judging);
    }
}
