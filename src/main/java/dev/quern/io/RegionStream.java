package dev.quern.io;

import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A region's bytes, one after the other. */
final class RegionStream extends InputStream {
    private final MemorySegment segment;
    private long next;

    RegionStream(Region region) {
        this.segment = region.segment();
    }

    @Override
    public int read() {
        return next == segment.byteSize() ? -1 : segment.get(ValueLayout.JAVA_BYTE, next++) & 0xff;
    }

    @Override
    public int read(byte[] out, int at, int count) {
        int taken = (int) Math.min(count, segment.byteSize() - next);
        if (taken == 0) {
            return count == 0 ? 0 : -1;
        }
        MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, next, out, at, taken);
        next += taken;
        return taken;
    }
}
