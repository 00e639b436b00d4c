package dev.quern.cli;

import java.util.Locale;

/** The estimate so far, on stderr: a line that changes in place on a terminal, elsewhere a line every ten seconds. */
final class RunningEstimate {
    private static final long EVERY_NANOS = 10_000_000_000L;

    private final Talk talk;
    private long next = System.nanoTime() + EVERY_NANOS;

    RunningEstimate(Talk talk) {
        this.talk = talk;
    }

    /** @param estimate short, e.g. {@code PPL 47.0986 +/- 0.67618} */
    void windowDone(int done, int windows, String estimate, double secondsLeft) {
        stepDone("window", done, windows, estimate, secondsLeft);
    }

    /** @param step what is counted, e.g. {@code window} */
    void stepDone(String step, int done, int steps, String estimate, double secondsLeft) {
        boolean last = done == steps;
        if (talk.inPlace()) {
            talk.replaceLine(last ? "" : line(step, done, steps, estimate, secondsLeft));
        } else if (!last && System.nanoTime() - next >= 0) {
            next = System.nanoTime() + EVERY_NANOS;
            talk.say(line(step, done, steps, estimate, secondsLeft));
        }
    }

    private static String line(String step, int done, int steps, String estimate, double secondsLeft) {
        return String.format(
                Locale.ROOT,
                "%s %d of %d: %s, %s left",
                step,
                done,
                steps,
                estimate,
                Talk.time(Math.round(secondsLeft)));
    }
}
