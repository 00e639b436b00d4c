package dev.quern.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Lines of text that survive a power cut one by one. Each ends with a checksum of itself and of all lines before it, so
 * that of a file that was torn, or that somebody changed, exactly the untouched beginning is believed.
 */
final class JournalFile implements AutoCloseable {
    /** Hexadecimal digits of SHA-256 that end a line: 64 bits. */
    private static final int CHECK_DIGITS = 16;

    /** No journal of ours comes near; what is larger is not read. */
    private static final long MOST_BYTES = 256 << 20;

    private final Path path;
    private final FileChannel channel;
    private final FileOperations operations;
    private String check;
    private long end;
    private volatile int lines;

    private JournalFile(Path path, FileChannel channel, FileOperations operations, Contents contents) {
        this.path = path;
        this.channel = channel;
        this.operations = operations;
        this.check = contents.check;
        this.end = contents.end;
        this.lines = contents.lines.size();
    }

    /**
     * What a journal says that can be believed.
     *
     * @param check the last line's checksum
     * @param end bytes up to the last line's end
     */
    record Contents(List<String> lines, String check, long end) {
        static final Contents NONE = new Contents(List.of(), "", 0);

        String first() {
            return lines.isEmpty() ? "" : lines.getFirst();
        }
    }

    /** @throws IOException when the file is there and cannot be read */
    static Contents read(Path path) throws IOException {
        if (!Files.isRegularFile(path) || Files.size(path) > MOST_BYTES) {
            return Contents.NONE;
        }
        byte[] bytes = Files.readAllBytes(path);
        List<String> lines = new ArrayList<>();
        String check = "";
        int begin = 0;
        for (int at = 0; at < bytes.length; at++) {
            if (bytes[at] != '\n') {
                continue;
            }
            String line = new String(bytes, begin, at - begin, StandardCharsets.UTF_8);
            int cut = line.length() - CHECK_DIGITS - 1;
            if (cut < 0) {
                break;
            }
            String text = line.substring(0, cut);
            String expected = check(check, text);
            if (!line.equals(text + " " + expected)) {
                break;
            }
            lines.add(text);
            check = expected;
            begin = at + 1;
        }
        return new Contents(List.copyOf(lines), check, begin);
    }

    static JournalFile create(Path path, String first, FileOperations operations) throws IOException {
        FileChannel channel = operations.create(path);
        JournalFile journal = new JournalFile(path, channel, operations, Contents.NONE);
        try {
            journal.append(List.of(first));
            return journal;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** Goes on behind the last line that can be believed; what follows there is overwritten. */
    static JournalFile reopen(Path path, Contents contents, FileOperations operations) throws IOException {
        return new JournalFile(path, operations.reopen(path), operations, contents);
    }

    private static String check(String before, String text) {
        byte[] digest = Sha256.digest().digest((before + text).getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest).substring(0, CHECK_DIGITS);
    }

    /** When this returns, the lines survive a power cut. Lines have no line breaks. */
    synchronized void append(List<String> texts) throws IOException {
        if (texts.isEmpty()) {
            return;
        }
        StringBuilder all = new StringBuilder();
        String last = check;
        for (String text : texts) {
            last = check(last, text);
            all.append(text).append(' ').append(last).append('\n');
        }
        ByteBuffer bytes = ByteBuffer.wrap(all.toString().getBytes(StandardCharsets.UTF_8));
        long at = end;
        while (bytes.hasRemaining()) {
            int count = operations.write(channel, bytes, at);
            if (count <= 0) {
                throw new IOException("the system wrote nothing and gave no reason");
            }
            at += count;
        }
        operations.force(channel);
        check = last;
        end = at;
        lines += texts.size();
    }

    /** Lines that are safe on disk, the first one counted too. */
    int lines() {
        return lines;
    }

    Path path() {
        return path;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
