package dev.quern.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;

/** Texts of many kinds, the same for a seed: scripts, emoji, control characters, long runs, words of a vocabulary. */
final class RandomText {
    private static final int[][] SCRIPTS = {
        {0x20, 0x7e},
        {0xa0, 0x24f},
        {0x370, 0x3ff},
        {0x400, 0x4ff},
        {0x590, 0x5ff},
        {0x600, 0x6ff},
        {0x900, 0x97f},
        {0xe00, 0xe7f},
        {0x1100, 0x11ff},
        {0x3040, 0x30ff},
        {0x4e00, 0x9fff},
        {0xac00, 0xd7a3},
        {0x10000, 0x10ffff},
        {0x2000, 0x206f},
        {0x2580, 0x2583},
        {0xe000, 0xf8ff}
    };
    private static final String[] EMOJI = {
        "\ud83d\ude00",
        "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67",
        "\ud83c\uddeb\ud83c\uddf7",
        "\u2764\ufe0f",
        "\ud83d\udc4d\ud83c\udffd",
        "1\ufe0f\u20e3"
    };
    private static final String[] SPECIAL = {
        "<s>", "</s>", "<unk>", "<0x41>", "<0x", "<|im_end|>", "<pad>", "[PAD1]", "\u2581", "\u2581\u2581", "\r\n"
    };

    private final SplittableRandom random;
    private final byte[][] words;

    RandomText(long seed, byte[][] words) {
        random = new SplittableRandom(seed);
        this.words = words;
    }

    /** Well-formed UTF-8. */
    byte[] valid() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int parts = 1 + random.nextInt(12);
        int kind = random.nextInt(8);
        for (int i = 0; i < parts; i++) {
            switch (random.nextInt(4) == 0 ? random.nextInt(8) : kind) {
                case 0, 1 -> script(out);
                case 2 -> write(out, EMOJI[random.nextInt(EMOJI.length)]);
                case 3 -> out.write(random.nextInt(0x20));
                case 4 -> run(out);
                case 5 -> write(out, SPECIAL[random.nextInt(SPECIAL.length)]);
                case 6 -> write(out, "ab \u2581<>s/01,.'\n".substring(0, 1 + random.nextInt(13)));
                default -> {
                    write(out, random.nextInt(3) == 0 ? " " : "");
                    byte[] word = words[random.nextInt(words.length)];
                    if (Utf8.firstInvalid(word).isEmpty()) {
                        out.writeBytes(word);
                    }
                }
            }
        }
        return out.toByteArray();
    }

    /** Bytes that may be anything: damaged text, or none at all. */
    byte[] any() {
        if (random.nextInt(4) == 0) {
            byte[] bytes = new byte[random.nextInt(40)];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) (random.nextInt(6) == 0 ? ' ' : 128 + random.nextInt(128));
            }
            return bytes;
        }
        byte[] text = valid();
        int changes = text.length == 0 ? 0 : 1 + random.nextInt(4);
        for (int i = 0; i < changes; i++) {
            text[random.nextInt(text.length)] = (byte) random.nextInt(256);
        }
        return java.util.Arrays.copyOf(text, text.length - random.nextInt(Math.min(3, text.length + 1)));
    }

    private void script(ByteArrayOutputStream out) {
        int[] range = SCRIPTS[random.nextInt(SCRIPTS.length)];
        int length = 1 + random.nextInt(10);
        for (int i = 0; i < length; i++) {
            int code = random.nextInt(8) == 0 ? ' ' : random.nextInt(range[0], range[1] + 1);
            write(out, Character.toString(code));
        }
    }

    private void run(ByteArrayOutputStream out) {
        String unit = new String[] {" ", "\n", "a", "\u2581", "the ", "\t", "\u00e9", "=", "ha"}[random.nextInt(9)];
        write(out, unit.repeat(1 + random.nextInt(random.nextInt(10) == 0 ? 400 : 20)));
    }

    private static void write(ByteArrayOutputStream out, String text) {
        out.writeBytes(text.getBytes(StandardCharsets.UTF_8));
    }
}
