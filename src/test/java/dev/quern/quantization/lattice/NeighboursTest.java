package dev.quern.quantization.lattice;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The neighbour lists against sorting all points by distance and number, as ggml makes its own. */
class NeighboursTest {
    private record Candidate(int distance, int point) {}

    static List<Arguments> grids() {
        return List.of(
                row("iq2_xxs", Grids::aroundIq2Xxs, 2),
                row("iq2_xs", Grids::aroundIq2Xs, 2),
                row("iq2_s", Grids::aroundIq2S, 1),
                row("iq3_xxs", Grids::aroundIq3Xxs, 2),
                row("iq3_s", Grids::aroundIq3S, 3),
                row("iq1", Grids::aroundIq1, 3));
    }

    private static Arguments row(String name, Supplier<Neighbours> neighbours, int distances) {
        return Arguments.of(name, neighbours, distances);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("grids")
    void listsAreThoseOfASort(String name, Supplier<Neighbours> made, int distances) {
        Neighbours neighbours = made.get();
        Grid grid = neighbours.grid();
        Random random = new Random(3);
        int lists = 0;
        for (int round = 0; round < 1500; round++) {
            int[] levels = random.ints(grid.dimension(), 0, grid.levels()).toArray();
            int code = code(grid, levels);
            assertThat(neighbours.isReachable(code)).isTrue();
            List<Candidate> sorted = sorted(grid, levels);
            if (sorted.getFirst().distance() == 0) {
                assertThat(neighbours.pointAt(code)).isEqualTo(sorted.getFirst().point());
                continue;
            }
            assertThat(neighbours.pointAt(code)).isEqualTo(-1);
            int list = neighbours.listOf(code);
            List<Integer> expected = nearest(sorted, distances);
            List<Integer> actual = new ArrayList<>();
            for (int i = 0; i < neighbours.count(list); i++) {
                actual.add(neighbours.neighbour(list, i));
            }
            assertThat(actual).as("%s, code %d", name, code).isEqualTo(expected);
            lists++;
        }
        assertThat(lists).isGreaterThan(500);
    }

    private static int code(Grid grid, int[] levels) {
        int code = 0;
        for (int i = 0; i < levels.length; i++) {
            code |= levels[i] << grid.levelBits() * i;
        }
        return code;
    }

    private static List<Candidate> sorted(Grid grid, int[] levels) {
        List<Candidate> candidates = new ArrayList<>();
        int mask = (1 << grid.levelBits()) - 1;
        for (int point = 0; point < grid.size(); point++) {
            int distance = 0;
            for (int i = 0; i < levels.length; i++) {
                int difference = levels[i] - (grid.code(point) >> grid.levelBits() * i & mask);
                distance += difference * difference;
            }
            candidates.add(new Candidate(distance, point));
        }
        candidates.sort(Comparator.comparingInt(Candidate::distance).thenComparingInt(Candidate::point));
        return candidates;
    }

    private static List<Integer> nearest(List<Candidate> sorted, int distances) {
        TreeSet<Integer> met = new TreeSet<>();
        List<Integer> points = new ArrayList<>();
        for (Candidate candidate : sorted) {
            met.add(candidate.distance());
            if (met.size() > distances) {
                break;
            }
            points.add(candidate.point());
        }
        return points;
    }
}
