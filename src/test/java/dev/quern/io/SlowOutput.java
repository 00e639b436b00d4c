package dev.quern.io;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** A program that writes one output in steps, says so after each, and can be killed at any of them. */
final class SlowOutput {
    static final int BLOCK = 1 << 16;
    static final int BLOCKS = 8;
    static final byte[] HEAD = "GGUF".getBytes(StandardCharsets.US_ASCII);

    private SlowOutput() {}

    /** The whole output: "GGUF", then blocks of 1, 2, … */
    static byte[] contents() {
        byte[] contents = new byte[HEAD.length + BLOCKS * BLOCK];
        System.arraycopy(HEAD, 0, contents, 0, HEAD.length);
        for (int i = 0; i < BLOCKS; i++) {
            Arrays.fill(contents, HEAD.length + i * BLOCK, HEAD.length + (i + 1) * BLOCK, (byte) (i + 1));
        }
        return contents;
    }

    /** @param args the target, and the step after which to wait to be ended (none: run to the end) */
    public static void main(String[] args) throws InterruptedException {
        int waitAfter = args.length > 1 ? Integer.parseInt(args[1]) : -1;
        byte[] contents = contents();
        try (OutputFile output = OutputFile.create(Path.of(args[0]), contents.length, List.of(), true)) {
            step(0, waitAfter);
            for (int i = 0; i < BLOCKS; i++) {
                int from = HEAD.length + i * BLOCK;
                output.write(ByteBuffer.wrap(contents, from, BLOCK), from);
                step(1 + i, waitAfter);
            }
            output.write(ByteBuffer.wrap(HEAD), 0);
            step(1 + BLOCKS, waitAfter);
            output.commit();
            step(2 + BLOCKS, waitAfter);
        } catch (OutputException e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
    }

    private static void step(int step, int waitAfter) throws InterruptedException {
        System.out.println("step " + step);
        if (step == waitAfter) {
            Thread.sleep(60_000);
        }
    }
}
