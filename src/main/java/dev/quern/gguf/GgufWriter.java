package dev.quern.gguf;

import dev.quern.io.OutputFile;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A GGUF file being written: tiles of tensors in any order from any thread, the header last, so that a partial file
 * never begins with GGUF. A tensor of which a byte is missing is never committed.
 */
public final class GgufWriter implements AutoCloseable {
    private final GgufLayout layout;
    private final OutputFile output;
    private final Map<String, AtomicLong> missing = new HashMap<>();

    /** @param output of the layout's size; this writer closes it */
    public GgufWriter(GgufLayout layout, OutputFile output) {
        if (output.size() != layout.fileSize()) {
            throw new IllegalArgumentException(output.size() + " bytes for a layout of " + layout.fileSize());
        }
        this.layout = layout;
        this.output = output;
        layout.tensors().forEach(tensor -> missing.put(tensor.name(), new AtomicLong(tensor.bytes())));
    }

    /**
     * Writes a part of a tensor.
     *
     * @param from the part's first byte, counted from the tensor's first
     * @throws IllegalArgumentException when the part leaves the tensor
     * @throws dev.quern.io.OutputException in the system's words
     */
    public void write(GgufTensor tensor, long from, ByteBuffer bytes) {
        int count = bytes.remaining();
        if (from < 0 || from > tensor.bytes() - count) {
            throw new IllegalArgumentException(
                    count + " bytes from " + from + " leave the " + tensor.bytes() + " bytes of " + tensor.name());
        }
        output.write(bytes, layout.position(tensor) + from);
        counter(tensor).addAndGet(-count);
    }

    private AtomicLong counter(GgufTensor tensor) {
        AtomicLong counter = missing.get(tensor.name());
        if (counter == null) {
            throw new IllegalArgumentException(tensor.name() + " is not of this layout");
        }
        return counter;
    }

    /**
     * Writes the header and makes the file appear.
     *
     * @throws IllegalStateException when a tensor was not written exactly once
     * @throws dev.quern.io.OutputException in the system's words
     */
    public Path commit() {
        for (GgufTensor tensor : layout.tensors()) {
            long left = counter(tensor).get();
            if (left != 0) {
                throw new IllegalStateException(
                        tensor.name() + ": " + (tensor.bytes() - left) + " of " + tensor.bytes() + " bytes written");
            }
        }
        output.write(layout.header(), 0);
        return output.commit();
    }

    @Override
    public void close() {
        output.close();
    }
}
