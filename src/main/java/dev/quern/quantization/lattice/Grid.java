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
    private final byte[] levelValues;
    private final byte[] values;
    private final int[] codes;

    private Grid(int dimension, byte[] levelValues, byte[] values, int[] codes) {
        this.dimension = dimension;
        this.size = codes.length;
        this.levelValues = levelValues;
        this.values = values;
        this.codes = codes;
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
        return levelValues.length;
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

    /** What coordinate {@code coordinate} of a point decodes to, before scale and sign. */
    public int value(int point, int coordinate) {
        return values[point * dimension + coordinate];
    }

    /** Decodes a point: its values times {@code scale}, then times -1 where the bit of the coordinate is set. */
    public void put(int point, float scale, int signs, float[] out, int at) {
        for (int i = 0; i < dimension; i++) {
            out[at + i] = scale * values[point * dimension + i] * ((signs >> i & 1) == 1 ? -1f : 1f);
        }
    }

    /** Decodes a point whose values are all shifted before they are scaled. */
    public void putShifted(int point, float scale, float shift, float[] out, int at) {
        for (int i = 0; i < dimension; i++) {
            out[at + i] = scale * (values[point * dimension + i] + shift);
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
        byte[] values = new byte[size * dimension];
        int[] codes = new int[size];
        int bits = levelBits(dimension);
        for (int point = 0; point < size; point++) {
            for (int i = 0; i < dimension; i++) {
                int level = words[point].charAt(i) - '0';
                values[point * dimension + i] = levelValues[level];
                codes[point] |= level << bits * i;
            }
        }
        return new Grid(dimension, levelValues, values, codes);
    }
}
