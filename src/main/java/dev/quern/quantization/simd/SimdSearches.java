package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.SimdSteppedSearch.Refit.ALL_IF_ONE_IS_OFF_GRID;
import static dev.quern.quantization.simd.SimdSteppedSearch.Refit.THOSE_OFF_GRID;

import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.lattice.Grids;
import dev.quern.quantization.scalar.Iq1M;
import dev.quern.quantization.scalar.Iq1S;
import dev.quern.quantization.scalar.Iq2S;
import dev.quern.quantization.scalar.Iq2Xs;
import dev.quern.quantization.scalar.Iq2Xxs;
import dev.quern.quantization.scalar.Iq3S;
import dev.quern.quantization.scalar.Iq3Xxs;
import dev.quern.quantization.scalar.Mxfp4;
import dev.quern.quantization.scalar.Nvfp4;

/** The codecs of {@code scalar} whose searches have a counterpart in lanes. */
public final class SimdSearches {
    private SimdSearches() {}

    public static BlockCodec iq3Xxs() {
        return new Iq3Xxs(new SimdSteppedSearch(
                Grids.aroundIq3Xxs(), NeighbourLanes.iq3Xxs(), Iq3Xxs.SUB, 15, 0.2f, THOSE_OFF_GRID));
    }

    public static BlockCodec iq3S() {
        return new Iq3S(new SimdSteppedSearch(
                Grids.aroundIq3S(), NeighbourLanes.iq3S(), Iq3S.SUB, 9, 0.2f, ALL_IF_ONE_IS_OFF_GRID));
    }

    public static BlockCodec iq2Xxs() {
        return new Iq2Xxs(new SimdFittedSearch());
    }

    public static BlockCodec iq2Xs() {
        return new Iq2Xs(
                new SimdSteppedSearch(Grids.aroundIq2Xs(), NeighbourLanes.iq2Xs(), Iq2Xs.SUB, 9, 0.1f, THOSE_OFF_GRID));
    }

    public static BlockCodec iq2S() {
        return new Iq2S(
                new SimdSteppedSearch(Grids.aroundIq2S(), NeighbourLanes.iq2S(), Iq2S.SUB, 9, 0.1f, THOSE_OFF_GRID));
    }

    public static BlockCodec iq1S() {
        return new Iq1S(new CutLanes.Shared(), new SimdTernaryGrid());
    }

    public static BlockCodec iq1M() {
        return new Iq1M(new CutLanes.Halves(), new SimdTernaryGrid());
    }

    public static BlockCodec mxfp4() {
        return new Mxfp4(new SimdE2m1());
    }

    public static BlockCodec nvfp4() {
        return new Nvfp4(new SimdE2m1());
    }
}
