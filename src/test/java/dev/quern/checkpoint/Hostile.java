package dev.quern.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.sun.management.ThreadMXBean;
import dev.quern.io.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What every hostile input must meet: a refusal in one line, in little memory and little time. */
public final class Hostile {
    private static final long MOST_BYTES = 64L << 20;
    private static final long MOST_NANOS = 1_000_000_000;

    private static final ThreadMXBean THREAD = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private Hostile() {}

    /** @param message what must follow "file: "; places in pickles ("byte 17") are not compared */
    public static void assertRefused(Path file, String message, ThrowingCallable read) {
        Throwable refusal = bounded(read);
        assertThat(refusal).isInstanceOf(InputException.class);
        assertThat(String.valueOf(refusal.getMessage()).replaceFirst("(data.pkl|object) byte [0-9]+: ", "$1: "))
                .isEqualTo(file + ": " + message)
                .doesNotContain("\n");
    }

    /** Runs, and measures what this thread allocated (all of it, freed or not) and the processor time it took. */
    public static Throwable bounded(ThrowingCallable read) {
        long bytes = THREAD.getCurrentThreadAllocatedBytes();
        long nanos = THREAD.getCurrentThreadCpuTime();
        Throwable thrown = catchThrowable(read);
        assertThat(THREAD.getCurrentThreadCpuTime() - nanos).as("nanoseconds").isLessThan(MOST_NANOS);
        assertThat(THREAD.getCurrentThreadAllocatedBytes() - bytes)
                .as("bytes allocated")
                .isLessThan(MOST_BYTES);
        return thrown;
    }

    /** As {@link #bounded}, for what is expected to throw. */
    public static AbstractThrowableAssert<?, ? extends Throwable> thrownBy(ThrowingCallable read) {
        return assertThat(bounded(read));
    }

    /** As {@link #bounded}, for what is odd and accepted all the same: what was read. */
    public static <T> T read(Supplier<T> read) {
        List<T> found = new ArrayList<>();
        assertThat(bounded(() -> found.add(read.get()))).isNull();
        return found.getFirst();
    }

    public static Path write(Path directory, String name, byte[] bytes) {
        try {
            return Files.write(directory.resolve(name), bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
