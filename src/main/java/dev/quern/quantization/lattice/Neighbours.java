package dev.quern.quantization.lattice;

import java.util.Arrays;

/**
 * For every code that a group of values can round to: the grid's point, or the grid points nearest to it, by distance
 * and then by number, all those at the smallest two (IQ2_XXS, IQ2_XS, IQ3_XXS), three (IQ1, IQ3_S) or one (IQ2_S)
 * distances. These are the candidates among which ggml's quantizers choose (iq2xs_init_impl and iq3xs_init_impl in
 * ggml-quants.c), and the order matters: the first of several equally good ones wins.
 */
public final class Neighbours {
    private static final int UNREACHABLE = Integer.MIN_VALUE;

    private final Grid grid;
    /** By code: a point's number, or {@code -1 - p} where p is the place of the code's list in {@link #lists}. */
    private final int[] cells;
    /** The lists, one after another: how many points, then their numbers. */
    private final char[] lists;

    private Neighbours(Grid grid, int[] cells, char[] lists) {
        this.grid = grid;
        this.cells = cells;
        this.lists = lists;
    }

    public Grid grid() {
        return grid;
    }

    /** Whether the code's levels are all such as the grid has; only then has it a point or a list. */
    public boolean isReachable(int code) {
        return cells[code] != UNREACHABLE;
    }

    /** The number of the point that has this code, or -1 if the grid has none. */
    public int pointAt(int code) {
        return Math.max(cells[code], -1);
    }

    /** Where the list of a code without a point begins: {@link #count} and {@link #neighbour} take it. */
    public int listOf(int code) {
        return -1 - cells[code];
    }

    public int count(int list) {
        return lists[list];
    }

    /** The number of a list's {@code i}-th point, from 0. */
    public int neighbour(int list, int i) {
        return lists[list + 1 + i];
    }

    /**
     * Only codes whose levels the grid has are looked at: ggml fills the rest of its map too, and never reads it.
     *
     * @param distances how many different distances a list reaches
     */
    static Neighbours of(Grid grid, int distances) {
        int bits = grid.levelBits();
        int codes = 1 << bits * grid.dimension();
        int[] cells = new int[codes];
        Arrays.fill(cells, UNREACHABLE);
        for (int point = 0; point < grid.size(); point++) {
            cells[grid.code(point)] = point;
        }
        // A distance is the sum of what the two halves of the coordinates contribute, each looked up by half a code.
        int halfBits = bits * grid.dimension() / 2;
        byte[] halves = halfDistances(halfBits, bits);
        int largest = (grid.levels() - 1) * (grid.levels() - 1) * grid.dimension();
        char[] distance = new char[grid.size()];
        int[] population = new int[largest + 1];
        char[] lists = new char[1 << 16];
        int used = 0;
        for (int code = 0; code < codes; code++) {
            if (cells[code] != UNREACHABLE || !hasLevels(code, bits, grid.levels())) {
                continue;
            }
            int reach = reach(grid, code, halfBits, halves, distance, population, distances);
            if (lists.length - used <= grid.size()) {
                lists = Arrays.copyOf(lists, 2 * lists.length);
            }
            cells[code] = -1 - used;
            used = append(lists, used, distance, population, reach);
        }
        return new Neighbours(grid, cells, Arrays.copyOf(lists, used));
    }

    /** Squared distance, in levels, between any two halves of a code. */
    private static byte[] halfDistances(int halfBits, int bits) {
        int halves = 1 << halfBits;
        int mask = (1 << bits) - 1;
        byte[] table = new byte[halves * halves];
        for (int a = 0; a < halves; a++) {
            for (int b = 0; b < halves; b++) {
                int sum = 0;
                for (int shift = 0; shift < halfBits; shift += bits) {
                    int difference = (a >> shift & mask) - (b >> shift & mask);
                    sum += difference * difference;
                }
                table[a << halfBits | b] = (byte) sum;
            }
        }
        return table;
    }

    private static boolean hasLevels(int code, int bits, int levels) {
        int mask = (1 << bits) - 1;
        for (int rest = code; rest != 0; rest >>= bits) {
            if ((rest & mask) >= levels) {
                return false;
            }
        }
        return true;
    }

    /** Fills the distances from a code to all points and counts them; the largest that belongs on the list. */
    private static int reach(
            Grid grid, int code, int halfBits, byte[] halves, char[] distance, int[] population, int distances) {
        Arrays.fill(population, 0);
        int mask = (1 << halfBits) - 1;
        int high = code >> halfBits << halfBits;
        int low = (code & mask) << halfBits;
        for (int point = 0; point < distance.length; point++) {
            int other = grid.code(point);
            int d = (halves[high | other >> halfBits] & 0xff) + (halves[low | other & mask] & 0xff);
            distance[point] = (char) d;
            population[d]++;
        }
        int reach = -1;
        for (int found = 0; found < distances && reach + 1 < population.length; ) {
            if (population[++reach] > 0) {
                found++;
            }
        }
        return reach;
    }

    private static int append(char[] lists, int at, char[] distance, int[] population, int reach) {
        // population becomes the place where the next point of each distance goes
        int place = at + 1;
        for (int d = 0; d <= reach; d++) {
            int count = population[d];
            population[d] = place;
            place += count;
        }
        for (int point = 0; point < distance.length; point++) {
            if (distance[point] <= reach) {
                lists[population[distance[point]]++] = (char) point;
            }
        }
        lists[at] = (char) (place - at - 1);
        return place;
    }
}
