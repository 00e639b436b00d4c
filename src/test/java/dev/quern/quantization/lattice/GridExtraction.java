package dev.quern.quantization.lattice;

import dev.quern.oracle.LlamaCpp;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * Reads ggml's grids out of llama.cpp, by decoding blocks that name one point after the other with a scale of one.
 *
 * <p>{@code main} writes the files of formats/ggml-grids; the test holds the committed ones against this.
 */
final class GridExtraction {
    private static final int BLOCK = 256;
    private static final int F16_ONE = 0x3c00;
    private static final int F16_FOUR = 0x4400;
    private static final int F16_EIGHT = 0x4800;

    /** Where a block keeps a point's number, and the scale with which the points decode to whole numbers. */
    private enum Layout {
        IQ2_XXS("iq2_xxs", QuantType.IQ2_XXS, 8, 256, F16_EIGHT) {
            @Override
            void put(byte[] blocks, int block, int group, int point) {
                blocks[block + 2 + group / 4 * 8 + group % 4] = (byte) point;
            }
        },
        IQ2_XS("iq2_xs", QuantType.IQ2_XS, 8, 512, F16_EIGHT) {
            @Override
            void put(byte[] blocks, int block, int group, int point) {
                or16(blocks, block + 2 + 2 * group, point);
            }
        },
        IQ2_S("iq2_s", QuantType.IQ2_S, 8, 1024, F16_EIGHT) {
            @Override
            void put(byte[] blocks, int block, int group, int point) {
                blocks[block + 2 + group] = (byte) point;
                blocks[block + 66 + group / 4] |= (byte) (point >> 8 << 2 * (group % 4));
            }
        },
        IQ3_XXS("iq3_xxs", QuantType.IQ3_XXS, 4, 256, F16_FOUR) {
            @Override
            void put(byte[] blocks, int block, int group, int point) {
                blocks[block + 2 + group] = (byte) point;
            }
        },
        IQ3_S("iq3_s", QuantType.IQ3_S, 4, 512, F16_ONE) {
            @Override
            void put(byte[] blocks, int block, int group, int point) {
                blocks[block + 2 + group] = (byte) point;
                blocks[block + 66 + group / 8] |= (byte) (point >> 8 << group % 8);
            }
        },
        IQ1("iq1", QuantType.IQ1_S, 8, 2048, F16_ONE) {
            @Override
            void put(byte[] blocks, int block, int group, int point) {
                blocks[block + 2 + group] = (byte) point;
                or16(blocks, block + 34 + group / 4 * 2, point >> 8 << 3 * (group % 4));
            }

            @Override
            float shift() {
                return 0.125f;
            }
        };

        final String file;
        final QuantType type;
        final int dimension;
        final int size;
        final int scale;

        Layout(String file, QuantType type, int dimension, int size, int scale) {
            this.file = file;
            this.type = type;
            this.dimension = dimension;
            this.size = size;
            this.scale = scale;
        }

        abstract void put(byte[] blocks, int block, int group, int point);

        float shift() {
            return 0;
        }

        static void or16(byte[] blocks, int at, int value) {
            blocks[at] |= (byte) value;
            blocks[at + 1] |= (byte) (value >> 8);
        }
    }

    private GridExtraction() {}

    static List<String> names() {
        List<String> names = new ArrayList<>();
        for (Layout layout : Layout.values()) {
            names.add(layout.file);
        }
        return names;
    }

    /** The text of a grid's file. */
    static String extract(LlamaCpp llamaCpp, String name) {
        for (Layout layout : Layout.values()) {
            if (layout.file.equals(name)) {
                return text(layout, points(llamaCpp, layout));
            }
        }
        throw new IllegalArgumentException(name);
    }

    private static int[] points(LlamaCpp llamaCpp, Layout layout) {
        int groups = BLOCK / layout.dimension;
        int bytes = layout.type.blockBytes();
        byte[] blocks = new byte[layout.size / groups * bytes];
        for (int block = 0; block < blocks.length; block += bytes) {
            Layout.or16(blocks, block, layout.scale);
        }
        for (int point = 0; point < layout.size; point++) {
            layout.put(blocks, point / groups * bytes, point % groups, point);
        }
        float[] decoded = llamaCpp.dequantize(layout.type.id(), blocks, layout.size * layout.dimension);
        int[] values = new int[decoded.length];
        for (int i = 0; i < decoded.length; i++) {
            values[i] = Math.round(decoded[i] - layout.shift());
            if (values[i] != decoded[i] - layout.shift()) {
                throw new IllegalStateException(layout + ": value " + i + " is " + decoded[i]);
            }
        }
        return values;
    }

    private static String text(Layout layout, int[] values) {
        TreeSet<Integer> distinct = new TreeSet<>();
        for (int value : values) {
            distinct.add(value);
        }
        List<Integer> levels = List.copyOf(distinct);
        StringBuilder text = new StringBuilder();
        text.append("# The points of ggml's ").append(layout.file);
        text.append(" grid in the order of their numbers, read out of llama.cpp v0.5.0 by GridExtraction (tests).\n");
        text.append("# A word is a point, a digit the level of one coordinate;");
        text.append(" the levels stand for these decoded values:\nlevels");
        levels.forEach(level -> text.append(' ').append(level));
        text.append('\n');
        int words = layout.dimension == 8 ? 12 : 20;
        for (int point = 0; point < layout.size; point++) {
            for (int i = 0; i < layout.dimension; i++) {
                text.append(levels.indexOf(values[point * layout.dimension + i]));
            }
            text.append(point % words == words - 1 || point == layout.size - 1 ? '\n' : ' ');
        }
        return text.toString();
    }

    /** Arguments: the folder to write to. The library's folder comes from the property quern.oracle. */
    public static void main(String[] arguments) throws IOException {
        LlamaCpp llamaCpp = LlamaCpp.require();
        for (String name : names()) {
            Files.writeString(Path.of(arguments[0], name + ".txt"), extract(llamaCpp, name));
        }
    }
}
