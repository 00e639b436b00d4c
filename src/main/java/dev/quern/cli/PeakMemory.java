package dev.quern.cli;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The most memory that this process has had.
 *
 * @param own bytes of heap, classes and compiled code, as the JVM counts them: each at its own peak
 * @param resident bytes that were resident at once, mapped files included, by the kernel's count; Linux alone says
 */
record PeakMemory(long own, OptionalLong resident) {
    private static final Path STATUS = Path.of("/proc/self/status");

    static PeakMemory now() {
        long own = 0;
        for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
            own += pool.getPeakUsage().getUsed();
        }
        return new PeakMemory(own, residentPeak());
    }

    private static OptionalLong residentPeak() {
        if (!Files.isReadable(STATUS)) {
            return OptionalLong.empty();
        }
        try (Stream<String> lines = Files.lines(STATUS)) {
            return lines.filter(line -> line.startsWith("VmHWM:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
                    .findFirst();
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }

    /** For people: {@code peak memory 0.41 GB (0.38 GiB), with mapped files 1.20 GB (1.12 GiB)}. */
    String text() {
        return "peak memory " + Talk.size(own)
                + (resident.isPresent() ? ", with mapped files " + Talk.size(resident.getAsLong()) : "");
    }

    /** For machines: {@code own_bytes} and, where it is known, {@code resident_bytes}. */
    Map<String, Object> map() {
        Map<String, Object> map = new TreeMap<>();
        map.put("own_bytes", own);
        resident.ifPresent(bytes -> map.put("resident_bytes", bytes));
        return map;
    }
}
