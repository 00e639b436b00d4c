package dev.quern.pipeline;

import dev.quern.io.FileOperations;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;

/** A program that converts, and says with one byte that it is about to write or force something, to be killed then. */
final class KilledRun {
    private static final FileOutputStream SAID = new FileOutputStream(FileDescriptor.out);

    private KilledRun() {}

    /** @param args the source and the directory of the output */
    public static void main(String[] args) {
        FileOperations telling = new FileOperations() {
            @Override
            public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
                tell();
                return FileOperations.super.write(channel, bytes, position);
            }

            @Override
            public void force(FileChannel channel) throws IOException {
                tell();
                FileOperations.super.force(channel);
            }

            @Override
            public void move(Path from, Path to) throws IOException {
                tell();
                FileOperations.super.move(from, to);
                tell();
            }
        };
        try (Source opened = Source.open(Path.of(args[0]))) {
            Conversion.run(
                    SmallRun.Outputs.ONE.plan(opened, Path.of(args[1])),
                    Inputs.of(opened.model(), List.of(), ""),
                    SmallRun.options(telling, false, System.err::println));
        }
    }

    private static synchronized void tell() {
        try {
            SAID.write('.');
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
