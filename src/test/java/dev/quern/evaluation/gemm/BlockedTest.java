package dev.quern.evaluation.gemm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlockedTest {
    @ParameterizedTest
    @CsvSource({"1, 1", "4, 256", "5, 257", "7, 600", "3, 512"})
    void whatIsWrittenIsReadWhereverItLies(int rows, int width) {
        Blocked matrix = new Blocked(rows, width, new float[Blocked.size(rows, width)]);
        float[] row = new float[width];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < width; j++) {
                row[j] = i * 1000 + j;
            }
            matrix.write(i, 0, width, row, 0);
        }
        for (int i = 0; i < rows; i++) {
            for (int from = 0; from < width; from += 37) {
                int count = Math.min(width - from, 300);
                float[] out = new float[count];
                matrix.read(i, from, count, out, 0);
                for (int j = 0; j < count; j++) {
                    assertThat(out[j]).isEqualTo(i * 1000 + from + j);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"5, 257"})
    void anArrayThatIsTooShortIsRefused(int rows, int width) {
        assertThatThrownBy(() -> new Blocked(rows, width, new float[rows * width - 1]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("1284 floats for 5 x 257");
    }
}
