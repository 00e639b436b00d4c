package dev.quern.quantization.lattice;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * The points that an IQ type may choose from: a fixed part of ggml's formats, kept as data in
 * {@code formats/ggml-grids}. A point has 4 coordinates of 8 levels or 8 coordinates of 3 levels; its <em>code</em> is
 * its levels packed from the lowest bits up, 3 or 2 bits each.
 */
public final class Grid {
    private final int dimension;
    private final int size;
    private final int levelCount;
    /** What each level decodes to, and from place 8 on the same with a minus sign. */
    private final float[] signedValues;

    private final byte[] levels;
    private final int[] codes;

    private Grid(int dimension, byte[] levelValues, byte[] levels, int[] codes) {
        this.dimension = dimension;
        this.size = codes.length;
        this.levelCount = levelValues.length;
        this.signedValues = signed(levelValues);
        this.levels = levels;
        this.codes = codes;
    }

    private static float[] signed(byte[] levelValues) {
        float[] signed = new float[16];
        for (int level = 0; level < levelValues.length; level++) {
            signed[level] = levelValues[level];
            signed[level + 8] = -levelValues[level];
        }
        return signed;
    }

    /** Coordinates of a point: 4 or 8. */
    public int dimension() {
        return dimension;
    }

    /** The number of points. */
    public int size() {
        return size;
    }

    /** Levels a coordinate can have: 3 with 8 coordinates, 8 with 4. */
    public int levels() {
        return levelCount;
    }

    /** Bits of a level within a code. */
    public int levelBits() {
        return levelBits(dimension);
    }

    private static int levelBits(int dimension) {
        return dimension == 4 ? 3 : 2;
    }

    /** The packed levels of a point. */
    public int code(int point) {
        return codes[point];
    }

    /** What coordinate {@code i} of a point decodes to, before scale, shift and sign. */
    public int value(int point, int i) {
        return (int) signedValues[levels[point * dimension + i]];
    }

    /** Decodes a point: its values times a scale, those negated whose bit is set in {@code signs}. */
    public void put(int point, float scale, int signs, float[] out, int at) {
        int first = point * dimension;
        for (int i = 0; i < dimension; i++) {
            out[at + i] = scale * signedValues[levels[first + i] | (signs >> i & 1) << 3];
        }
    }

    /** Decodes a point whose values are all shifted before they are scaled. */
    public void putShifted(int point, float scale, float shift, float[] out, int at) {
        int first = point * dimension;
        for (int i = 0; i < dimension; i++) {
            out[at + i] = scale * (signedValues[levels[first + i]] + shift);
        }
    }

    static Grid load(String name, int dimension, int size) {
        String path = "/formats/ggml-grids/" + name + ".txt";
        try (InputStream in = Grid.class.getResourceAsStream(path)) {
            if (in == null) {
                throw new IllegalStateException(path + " is missing from the program");
            }
            return parse(new String(in.readAllBytes(), StandardCharsets.US_ASCII), dimension, size);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Grid parse(String text, int dimension, int size) {
        List<String> lines = text.lines().filter(line -> !line.startsWith("#")).toList();
        String[] head = lines.getFirst().split(" ");
        byte[] levelValues = new byte[head.length - 1];
        for (int level = 0; level < levelValues.length; level++) {
            levelValues[level] = Byte.parseByte(head[level + 1]);
        }
        String[] words = lines.stream()
                .skip(1)
                .flatMap(line -> Arrays.stream(line.split(" ")))
                .toArray(String[]::new);
        if (words.length != size) {
            throw new IllegalStateException("a grid of " + words.length + " points, not " + size);
        }
        byte[] levels = new byte[size * dimension];
        int[] codes = new int[size];
        int bits = levelBits(dimension);
        for (int point = 0; point < size; point++) {
            for (int i = 0; i < dimension; i++) {
                int level = words[point].charAt(i) - '0';
                levels[point * dimension + i] = (byte) level;
                codes[point] |= level << bits * i;
            }
        }
        return new Grid(dimension, levelValues, levels, codes);
    }
}
