package dev.quern.oracle;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * Takes what the libraries would print. Nearly all of it is talk and is dropped; warnings and errors are kept, because
 * a failed call returns null or 1 and says only here what was wrong.
 */
final class NativeLog {
    private static final int WARNING = 3;
    private static final int ERROR = 4;
    private static final int MOST_KEPT = 4096;

    private final StringBuilder kept = new StringBuilder();

    MemorySegment callback(Arena arena) {
        try {
            var take = MethodHandles.lookup()
                    .findVirtual(
                            NativeLog.class,
                            "take",
                            MethodType.methodType(void.class, int.class, MemorySegment.class, MemorySegment.class))
                    .bindTo(this);
            var descriptor = FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
            return Linker.nativeLinker().upcallStub(take, descriptor, arena);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e);
        }
    }

    /** Called by native threads: an exception that leaves this method ends the JVM. */
    @SuppressWarnings("unused") // looked up by name above
    private synchronized void take(int level, MemorySegment text, MemorySegment user) {
        if ((level == WARNING || level == ERROR) && kept.length() < MOST_KEPT) {
            kept.append(LlamaCpp.text(text));
        }
    }

    /** What was logged since the last call, on one line. */
    synchronized String drain() {
        String drained = kept.toString().strip().replace("\n", "; ");
        kept.setLength(0);
        return drained;
    }
}
