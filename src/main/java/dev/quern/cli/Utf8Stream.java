package dev.quern.cli;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Bytes that come in pieces, as text that may be printed at once: a character waits until its last byte is there, and
 * what is no UTF-8 becomes U+FFFD.
 */
final class Utf8Stream {
    private final CharsetDecoder decoder = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private byte[] waiting = new byte[0];

    /** The text that is complete with these bytes. */
    String add(byte[] bytes, int from, int to) {
        return decode(bytes, from, to, false);
    }

    /** What is left over: a character that never became whole. */
    String end() {
        return decode(new byte[0], 0, 0, true);
    }

    private String decode(byte[] bytes, int from, int to, boolean last) {
        ByteBuffer in = ByteBuffer.allocate(waiting.length + to - from);
        in.put(waiting).put(bytes, from, to - from).flip();
        CharBuffer out = CharBuffer.allocate(in.remaining() + 2);
        decoder.decode(in, out, last);
        if (last) {
            decoder.flush(out);
            decoder.reset();
        }
        waiting = new byte[in.remaining()];
        in.get(waiting);
        return out.flip().toString();
    }
}
