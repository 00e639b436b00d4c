package dev.quern.cli;

import dev.quern.pipeline.Progress;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** What a command says to the person at the terminal: stderr only, so that stdout stays data. */
final class Talk {
    private final PrintStream err;
    private final boolean terminal;
    private final boolean quiet;

    /** @param quiet whether to say nothing but errors */
    Talk(boolean quiet) {
        this.err = System.err;
        // Java cannot ask whether stderr alone is a terminal; the launcher can.
        this.terminal = Boolean.getBoolean("quern.terminal");
        this.quiet = quiet;
    }

    void say(String line) {
        if (!quiet) {
            err.println(line);
        }
    }

    /** Whether {@link #replaceLine} has a line to replace: a terminal, and leave to speak. */
    boolean inPlace() {
        return terminal && !quiet;
    }

    /** Writes over the terminal's last line; nothing leaves it empty. */
    void replaceLine(String line) {
        // Back to the first column, and the rest of what stood there erased (ECMA-48, EL).
        err.print("\r" + line + "\u001b[K");
        err.flush();
    }

    /** @param unit what is counted, e.g. "values" */
    Progress progress(String unit) {
        if (quiet) {
            return Progress.SILENT;
        }
        return terminal ? new Bar(unit) : new Lines(unit);
    }

    /** A bar with rate and time left. */
    private static final class Bar implements Progress {
        private final String unit;
        private @Nullable ProgressBar bar;

        Bar(String unit) {
            this.unit = unit;
        }

        @Override
        public synchronized void begin(String step, long total) {
            bar = new ProgressBarBuilder()
                    .setTaskName(step)
                    .setInitialMax(total)
                    .setUnit(total > 10_000_000 ? " M" + unit : " " + unit, total > 10_000_000 ? 1_000_000 : 1)
                    .setStyle(ProgressBarStyle.ASCII)
                    .setUpdateIntervalMillis(200)
                    .showSpeed()
                    .continuousUpdate()
                    .build();
        }

        @Override
        public void advance(long amount) {
            ProgressBar shown = bar;
            if (shown != null) {
                shown.stepBy(amount);
            }
        }

        @Override
        public synchronized void end() {
            if (bar != null) {
                bar.close();
                bar = null;
            }
        }
    }

    /** A line at most every ten seconds, for logs. */
    private final class Lines implements Progress {
        private static final long EVERY_NANOS = 10_000_000_000L;

        private final String unit;
        private final AtomicLong done = new AtomicLong();
        private final AtomicLong next = new AtomicLong();
        private String step = "";
        private long total;
        private long begun;

        Lines(String unit) {
            this.unit = unit;
        }

        @Override
        public void begin(String newStep, long newTotal) {
            step = newStep;
            total = newTotal;
            done.set(0);
            begun = System.nanoTime();
            next.set(begun + EVERY_NANOS);
        }

        @Override
        public void advance(long amount) {
            long now = System.nanoTime();
            long so = done.addAndGet(amount);
            long due = next.get();
            if (now - due >= 0 && next.compareAndSet(due, now + EVERY_NANOS)) {
                double seconds = (now - begun) / 1e9;
                long left = Math.round(seconds * (total - so) / Math.max(1, so));
                boolean millions = total > 10_000_000;
                err.printf(
                        Locale.ROOT,
                        "%s: %d%% (%.1f %s%s/s, %s left)%n",
                        step,
                        100 * so / Math.max(1, total),
                        so / seconds / (millions ? 1e6 : 1),
                        millions ? "M " : "",
                        unit,
                        Talk.time(left));
            }
        }

        @Override
        public void end() {}
    }

    /** {@code 1:05:09} or {@code 3:20}. */
    static String time(long seconds) {
        Duration duration = Duration.ofSeconds(seconds);
        return duration.toHours() > 0
                ? String.format(
                        Locale.ROOT,
                        "%d:%02d:%02d",
                        duration.toHours(),
                        duration.toMinutesPart(),
                        duration.toSecondsPart())
                : String.format(Locale.ROOT, "%d:%02d", duration.toMinutes(), duration.toSecondsPart());
    }

    /** {@code 3.83 GB (3.56 GiB)}: both, because people mean either. */
    static String size(long bytes) {
        if (bytes >= 100_000_000) {
            return String.format(Locale.ROOT, "%.2f GB (%.2f GiB)", bytes / 1e9, bytes / 0x1p30);
        }
        return String.format(Locale.ROOT, "%.2f MB (%.2f MiB)", bytes / 1e6, bytes / 0x1p20);
    }
}
