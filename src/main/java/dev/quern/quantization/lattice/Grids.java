package dev.quern.quantization.lattice;

/** The six grids and their search tables, each made when it is first asked for. */
public final class Grids {
    private Grids() {}

    public static Grid iq2Xxs() {
        return Iq2Xxs.GRID;
    }

    public static Grid iq2Xs() {
        return Iq2Xs.GRID;
    }

    public static Grid iq2S() {
        return Iq2S.GRID;
    }

    public static Grid iq3Xxs() {
        return Iq3Xxs.GRID;
    }

    public static Grid iq3S() {
        return Iq3S.GRID;
    }

    /** The grid that IQ1_S and IQ1_M share. */
    public static Grid iq1() {
        return Iq1.GRID;
    }

    public static Neighbours aroundIq2Xxs() {
        return AroundIq2Xxs.NEIGHBOURS;
    }

    public static Neighbours aroundIq2Xs() {
        return AroundIq2Xs.NEIGHBOURS;
    }

    public static Neighbours aroundIq2S() {
        return AroundIq2S.NEIGHBOURS;
    }

    public static Neighbours aroundIq3Xxs() {
        return AroundIq3Xxs.NEIGHBOURS;
    }

    public static Neighbours aroundIq3S() {
        return AroundIq3S.NEIGHBOURS;
    }

    public static Neighbours aroundIq1() {
        return AroundIq1.NEIGHBOURS;
    }

    private static final class Iq2Xxs {
        static final Grid GRID = Grid.load("iq2_xxs", 8, 256);
    }

    private static final class Iq2Xs {
        static final Grid GRID = Grid.load("iq2_xs", 8, 512);
    }

    private static final class Iq2S {
        static final Grid GRID = Grid.load("iq2_s", 8, 1024);
    }

    private static final class Iq3Xxs {
        static final Grid GRID = Grid.load("iq3_xxs", 4, 256);
    }

    private static final class Iq3S {
        static final Grid GRID = Grid.load("iq3_s", 4, 512);
    }

    private static final class Iq1 {
        static final Grid GRID = Grid.load("iq1", 8, 2048);
    }

    private static final class AroundIq2Xxs {
        static final Neighbours NEIGHBOURS = Neighbours.of(Iq2Xxs.GRID, 2);
    }

    private static final class AroundIq2Xs {
        static final Neighbours NEIGHBOURS = Neighbours.of(Iq2Xs.GRID, 2);
    }

    private static final class AroundIq2S {
        static final Neighbours NEIGHBOURS = Neighbours.of(Iq2S.GRID, 1);
    }

    private static final class AroundIq3Xxs {
        static final Neighbours NEIGHBOURS = Neighbours.of(Iq3Xxs.GRID, 2);
    }

    private static final class AroundIq3S {
        static final Neighbours NEIGHBOURS = Neighbours.of(Iq3S.GRID, 3);
    }

    private static final class AroundIq1 {
        static final Neighbours NEIGHBOURS = Neighbours.of(Iq1.GRID, 3);
    }
}
