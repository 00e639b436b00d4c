package dev.quern.evaluation;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Small task files of the three kinds, made of sentences of the held-out text. */
final class TaskFiles {
    private TaskFiles() {}

    /** Stretches of words without what CSV would have to quote. */
    static List<String> stretches(int count, int words) {
        String[] all = new String(Bundled.HELD_OUT.bytes(), StandardCharsets.UTF_8)
                .replaceAll("[,\"_\\s]+", " ")
                .split(" ");
        List<String> stretches = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            stretches.add(String.join(" ", Arrays.copyOfRange(all, 50 + i * words, 50 + (i + 1) * words)));
        }
        return stretches;
    }

    static String hellaSwag(int tasks) {
        List<String> texts = stretches(tasks * 5, 12);
        Random random = new Random(1);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < tasks; i++) {
            out.append(texts.get(5 * i)).append('\n').append(random.nextInt(4)).append('\n');
            for (int j = 1; j < 5; j++) {
                String ending = texts.get(5 * i + j);
                out.append(ending, 0, 10 + random.nextInt(ending.length() - 10)).append('\n');
            }
        }
        return out.toString();
    }

    /** Every third sentence ends right behind its gap, and every third two words later. */
    static String winogrande(int tasks) {
        List<String> texts = stretches(tasks * 2, 9);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < tasks; i++) {
            String rest = switch (i % 3) {
                case 0 -> ".";
                case 1 -> " was there.";
                default -> " " + texts.get(2 * i + 1) + ".";
            };
            String sentence = texts.get(2 * i) + " _" + rest;
            out.append(i).append(',').append(i % 2 == 0 ? sentence : '"' + sentence + ", so\"");
            out.append(i % 5 == 0 ? ",Prince Andrew,Prince" : ",Pierre,Natasha")
                    .append(',')
                    .append(1 + i % 2)
                    .append('\n');
        }
        return out.toString();
    }

    static byte[] multipleChoice(int tasks) {
        List<byte[]> parts = new ArrayList<>();
        List<String> texts = stretches(tasks * 6, 8);
        for (int i = 0; i < tasks; i++) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            out.writeBytes(string(texts.get(6 * i)));
            int answers = 2 + i % 4;
            out.writeBytes(number(answers));
            for (int j = 1; j <= answers; j++) {
                out.writeBytes(string(texts.get(6 * i + j)));
            }
            for (int j = 0; j < answers; j++) {
                out.writeBytes(number(j == i % answers ? 1 : 0));
            }
            out.writeBytes(number(0));
            parts.add(out.toByteArray());
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(number(tasks));
        int at = 4 + 4 * tasks;
        for (byte[] part : parts) {
            out.writeBytes(number(at));
            at += part.length;
        }
        parts.forEach(out::writeBytes);
        return out.toByteArray();
    }

    private static byte[] string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(4 + bytes.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(bytes.length)
                .put(bytes)
                .array();
    }

    private static byte[] number(int value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array();
    }

    static Path write(Path folder, byte[] bytes) {
        try {
            return Files.write(folder.resolve("tasks"), bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
