package dev.quern.tensor;

import dev.quern.io.InputException;
import dev.quern.io.Region;

/** Reads of mapped memory, with the fault that a shrunken file causes turned into a refusal. */
final class Reading {
    private Reading() {}

    /** A page that is no longer there raises InternalError in the JVM, which survives it (measured on JDK 25). */
    static void guarded(Region region, Runnable read) {
        try {
            read.run();
        } catch (InternalError e) {
            throw InputException.of(region.file().path(), "changed while it was being read")
                    .withHint("leave the file alone until the command has ended, and run it again")
                    .withCause(e);
        }
    }
}
