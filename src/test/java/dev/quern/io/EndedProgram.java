package dev.quern.io;

import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/**
 * A program that is ended by a signal, and whose work then meets what that has done: its output's file is gone, and it
 * can open no other. The end is held up for half a second after the line about it, so that the work has time to fail.
 */
final class EndedProgram {
    private static final CountDownLatch GONE = new CountDownLatch(1);

    private EndedProgram() {}

    /** @param args the target; then what the work goes on with: "create" or "publish" */
    public static void main(String[] args) throws InterruptedException {
        Shutdown.exitWhenInterrupted(1);
        System.setErr(new PrintStream(System.err, true) {
            @Override
            public void println(String line) {
                super.println(line);
                if (line.startsWith("interrupted")) {
                    GONE.countDown();
                    hold();
                }
            }
        });
        Path target = Path.of(args[0]);
        try (OutputFile output = OutputFile.create(target, 4, List.of(), true)) {
            output.write(ByteBuffer.wrap(SlowOutput.HEAD), 0);
            output.prepare();
            System.out.println("ready");
            GONE.await();
            if (args[1].equals("publish")) {
                output.publish();
            } else {
                OutputFile.create(target.resolveSibling("other.gguf"), 4, List.of(), true)
                        .close();
            }
            System.err.println("went on as if nothing had happened");
        } catch (RuntimeException e) {
            Shutdown.awaitWhereFilesAreGone();
            System.err.println("failed: " + e);
        }
    }

    private static void hold() {
        try {
            Thread.sleep(500);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
