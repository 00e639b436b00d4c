package dev.quern.evaluation.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class GemmTest {
    static Stream<Arguments> sizes() {
        Random random = new Random(41);
        Stream<Arguments> edges = Stream.of(
                Arguments.of(1, 1, 1),
                Arguments.of(4, 16, 256),
                Arguments.of(5, 17, 257),
                Arguments.of(3, 64, 255),
                Arguments.of(256, 63, 512));
        Stream<Arguments> drawn = IntStream.range(0, 40)
                .mapToObj(i -> Arguments.of(1 + random.nextInt(70), 1 + random.nextInt(64), 1 + random.nextInt(900)));
        return Stream.concat(edges, drawn);
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void equalsScalarChainsAndTheExactProduct(int rows, int columns, int depth) {
        Random random = new Random(rows * 1_000_003L + columns * 1009L + depth);
        float[] left = gaussians(random, rows * depth);
        float[] right = gaussians(random, columns * depth);
        Packed a = new Packed(rows, depth, new float[Packed.size(rows, depth)]);
        for (int row = 0; row < rows; row++) {
            a.write(row, 0, depth, left, row * depth);
        }
        int groups = Math.ceilDiv(columns, Tile.COLUMNS);
        float[] panel = pack(right, columns, depth, groups);
        float[] c = gaussians(random, Packed.padded(rows) * groups * Tile.COLUMNS);

        Gemm.multiply(a, 0, rows, panel, groups, c);

        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                float found = c[row * groups * Tile.COLUMNS + column];
                assertThat(found).isEqualTo(chain(left, row * depth, right, column * depth, depth));
                double exact = 0;
                double magnitude = 0;
                for (int k = 0; k < depth; k++) {
                    double term = (double) left[row * depth + k] * right[column * depth + k];
                    exact += term;
                    magnitude += Math.abs(term);
                }
                assertThat((double) found).isCloseTo(exact, within(magnitude));
            }
        }
    }

    /** Rows in the middle of a batch get the bits they would get alone. */
    @ParameterizedTest
    @MethodSource("sizes")
    void aRowsResultDoesNotDependOnItsNeighbours(int rows, int columns, int depth) {
        Random random = new Random(rows + 31L * columns + 1009L * depth);
        float[] left = gaussians(random, rows * depth);
        int groups = Math.ceilDiv(columns, Tile.COLUMNS);
        float[] panel = pack(gaussians(random, columns * depth), columns, depth, groups);
        Packed all = new Packed(rows, depth, new float[Packed.size(rows, depth)]);
        for (int row = 0; row < rows; row++) {
            all.write(row, 0, depth, left, row * depth);
        }
        float[] together = new float[Packed.padded(rows) * groups * Tile.COLUMNS];
        Gemm.multiply(all, 0, rows, panel, groups, together);

        int row = rows - 1;
        Packed one = new Packed(1, depth, new float[Packed.size(1, depth)]);
        one.write(0, 0, depth, left, row * depth);
        float[] alone = new float[Tile.ROWS * groups * Tile.COLUMNS];
        Gemm.multiply(one, 0, 1, panel, groups, alone);

        for (int column = 0; column < columns; column++) {
            assertThat(alone[column]).isEqualTo(together[row * groups * Tile.COLUMNS + column]);
        }
    }

    private static float[] pack(float[] weights, int rows, int depth, int groups) {
        float[] panel = new float[groups * Tile.COLUMNS * depth];
        for (int group = 0; group < groups; group++) {
            int first = group * Tile.COLUMNS;
            int count = Math.min(Tile.COLUMNS, rows - first);
            float[] some = Arrays.copyOfRange(weights, first * depth, (first + count) * depth);
            Packing.interleave(some, count, depth, panel, first * depth);
        }
        return panel;
    }

    /** What {@link Gemm#multiply} promises, one operation at a time. */
    private static float chain(float[] a, int aAt, float[] b, int bAt, int depth) {
        float sum = 0;
        for (int block = 0; block < depth; block += Blocked.BLOCK) {
            float inBlock = 0;
            for (int k = block; k < Math.min(depth, block + Blocked.BLOCK); k++) {
                inBlock = Math.fma(a[aAt + k], b[bAt + k], inBlock);
            }
            sum += inBlock;
        }
        return sum;
    }

    /** The rounding of a block's chain and of the blocks' sums: (256 + blocks) half units, of which few add up. */
    private static Offset<Double> within(double magnitude) {
        return Offset.offset(magnitude * 0x1p-24 * 20 + 1e-30);
    }

    private static float[] gaussians(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
