package dev.quern.compensation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Tile;
import java.util.Optional;

/**
 * {@code A = U D Uᵀ} of a symmetric positive matrix, with ones on the diagonal of the upper triangular {@code U}. What
 * GPTQ takes from a Cholesky factor of the inverse is in {@code U} without inverting anything: a column's best answer to
 * the errors of the columns before it (QuIP, Chee et al. 2023, section 3, proves the two the same).
 *
 * @param panels {@code U} above the diagonal and its mirror image below
 * @param diagonal {@code D}, positive
 */
@SuppressWarnings("ArrayRecordComponent")
record Factor(Panels panels, float[] diagonal) {
    private static final int CHUNK = 128;

    /** A pivot may not be smaller than this part of what its column began with: below it float has no digits left. */
    private static final float LEAST_PIVOT = 1e-6f;

    /**
     * @param matrix row-major; becomes the factor
     * @return empty when the matrix is not positive enough for float
     */
    static Optional<Factor> of(float[] matrix, int width, Workers workers) {
        float[] diagonal = new float[width];
        float[] least = new float[width];
        for (int i = 0; i < width; i++) {
            least[i] = matrix[i * width + i] * LEAST_PIVOT;
        }
        Scratch scratch = new Scratch(width);
        for (int chunk = (width - 1) / CHUNK; chunk >= 0; chunk--) {
            int begin = chunk * CHUNK;
            int end = Math.min(begin + CHUNK, width);
            if (!corner(matrix, width, begin, end, diagonal, least)) {
                return Optional.empty();
            }
            solveAbove(matrix, width, begin, end, diagonal, workers);
            subtract(matrix, width, begin, end, diagonal, scratch, workers);
        }
        for (int i = 0; i < width; i++) {
            for (int j = 0; j < i; j++) {
                matrix[i * width + j] = matrix[j * width + i];
            }
        }
        return Optional.of(new Factor(Panels.of(matrix, width, workers), diagonal));
    }

    /** The factor of a chunk's own square, column by column from its end. */
    private static boolean corner(float[] a, int width, int begin, int end, float[] diagonal, float[] least) {
        for (int k = end - 1; k >= begin; k--) {
            float pivot = a[k * width + k];
            if (!(pivot > least[k])) {
                return false;
            }
            diagonal[k] = pivot;
            for (int i = begin; i < k; i++) {
                float scaled = a[i * width + k];
                float u = scaled / pivot;
                for (int j = i; j < k; j++) {
                    a[i * width + j] -= u * a[j * width + k];
                }
            }
            for (int i = begin; i < k; i++) {
                a[i * width + k] /= pivot;
            }
        }
        return true;
    }

    private static void solveAbove(float[] a, int width, int begin, int end, float[] diagonal, Workers workers) {
        int count = end - begin;
        float[] corner = new float[count * count];
        for (int k = 0; k < count; k++) {
            for (int m = k + 1; m < count; m++) {
                // Row m of the transposed corner, times its pivot, so that a row's loop runs over neighbours.
                corner[m * count + k] = a[(begin + k) * width + begin + m] * diagonal[begin + m];
            }
        }
        int bands = Math.ceilDiv(begin, 16);
        workers.each(bands, (band, worker) -> {
            for (int i = band * 16; i < Math.min(begin, band * 16 + 16); i++) {
                int row = i * width + begin;
                for (int m = count - 1; m >= 0; m--) {
                    float u = a[row + m] / diagonal[begin + m];
                    a[row + m] = u;
                    subtractTimes(corner, m * count, u, m, a, row);
                }
            }
        });
    }

    private static void subtractTimes(float[] from, int at, float factor, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] -= factor * from[at + i];
        }
    }

    private static final class Scratch {
        final float[] left;
        final float[] right;

        Scratch(int width) {
            left = new float[CHUNK * width];
            right = new float[CHUNK * width];
        }
    }

    /** Takes the chunk's part away from the square above it, of which only the upper half is kept up. */
    private static void subtract(
            float[] a, int width, int begin, int end, float[] diagonal, Scratch scratch, Workers workers) {
        if (begin == 0) {
            return;
        }
        int depth = end - begin;
        workers.each(Math.ceilDiv(begin, Tile.COLUMNS), (band, worker) -> {
            int first = band * Tile.COLUMNS;
            for (int i = first; i < first + Tile.COLUMNS; i++) {
                int left = i / Tile.ROWS * Tile.ROWS * depth + i % Tile.ROWS;
                int right = first * depth + i - first;
                for (int m = 0; m < depth; m++) {
                    float u = a[i * width + begin + m];
                    scratch.left[left + m * Tile.ROWS] = u;
                    scratch.right[right + m * Tile.COLUMNS] = -u * diagonal[begin + m];
                }
            }
        });
        workers.each(Math.ceilDiv(begin, Tile.COLUMNS), (band, worker) -> {
            int first = band * Tile.COLUMNS;
            for (int j = first; j < begin; j += Tile.COLUMNS) {
                for (int i = first; i < first + Tile.COLUMNS; i += Tile.ROWS) {
                    Tile.multiplyAdd(scratch.left, i * depth, scratch.right, j * depth, depth, a, i * width + j, width);
                }
            }
        });
    }
}
