package dev.quern.quantization.simd;

import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import dev.quern.quantization.lattice.Neighbours;

/**
 * A grid's neighbour lists laid out for eight lanes: each list is filled up to a multiple of eight by repeating its last
 * point, which is never better than the first one of its kind.
 *
 * @param cells by code: -1 if the grid has the point, otherwise the number of the code's list
 * @param first by list: where it begins in the two arrays below; one more entry is the end of the last
 * @param selectors of each neighbour, from the lowest bits up: with four coordinates three bits each, the level; with
 *     eight coordinates four bits each, the level plus 4 for odd coordinates
 * @param codes of each neighbour
 */
record NeighbourLanes(int[] cells, int[] first, int[] selectors, char[] codes) {
    static final int ON_GRID = -1;

    static NeighbourLanes iq2Xxs() {
        return Iq2Xxs.LANES;
    }

    static NeighbourLanes iq2Xs() {
        return Iq2Xs.LANES;
    }

    static NeighbourLanes iq2S() {
        return Iq2S.LANES;
    }

    static NeighbourLanes iq3Xxs() {
        return Iq3Xxs.LANES;
    }

    static NeighbourLanes iq3S() {
        return Iq3S.LANES;
    }

    static NeighbourLanes iq1() {
        return Iq1.LANES;
    }

    private static NeighbourLanes of(Neighbours neighbours) {
        Grid grid = neighbours.grid();
        int[] cells = new int[1 << grid.levelBits() * grid.dimension()];
        int lists = 0;
        int length = 0;
        for (int code = 0; code < cells.length; code++) {
            if (neighbours.isReachable(code) && neighbours.pointAt(code) < 0) {
                cells[code] = lists++;
                length += padded(neighbours.count(neighbours.listOf(code)));
            } else {
                cells[code] = ON_GRID;
            }
        }
        int[] first = new int[lists + 1];
        int[] selectors = new int[length];
        char[] codes = new char[length];
        int at = 0;
        for (int code = 0; code < cells.length; code++) {
            if (cells[code] == ON_GRID) {
                continue;
            }
            int list = neighbours.listOf(code);
            int count = neighbours.count(list);
            first[cells[code]] = at;
            for (int i = 0; i < padded(count); i++) {
                int point = neighbours.neighbour(list, Math.min(i, count - 1));
                codes[at] = (char) grid.code(point);
                selectors[at] = grid.dimension() == 4 ? grid.code(point) : pairSelectors(grid.code(point));
                at++;
            }
        }
        first[lists] = at;
        return new NeighbourLanes(cells, first, selectors, codes);
    }

    private static int padded(int count) {
        return (count + Lanes.COUNT - 1) / Lanes.COUNT * Lanes.COUNT;
    }

    private static int pairSelectors(int code) {
        int selectors = 0;
        for (int i = 0; i < 8; i++) {
            selectors |= (code >> 2 * i & 3 | (i & 1) << 2) << 4 * i;
        }
        return selectors;
    }

    private static final class Iq2Xxs {
        static final NeighbourLanes LANES = of(Grids.aroundIq2Xxs());
    }

    private static final class Iq2Xs {
        static final NeighbourLanes LANES = of(Grids.aroundIq2Xs());
    }

    private static final class Iq2S {
        static final NeighbourLanes LANES = of(Grids.aroundIq2S());
    }

    private static final class Iq3Xxs {
        static final NeighbourLanes LANES = of(Grids.aroundIq3Xxs());
    }

    private static final class Iq3S {
        static final NeighbourLanes LANES = of(Grids.aroundIq3S());
    }

    private static final class Iq1 {
        static final NeighbourLanes LANES = of(Grids.aroundIq1());
    }
}
