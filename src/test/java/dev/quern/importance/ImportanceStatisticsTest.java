package dev.quern.importance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.importance.ImportanceStatistics.OfLayer;
import dev.quern.importance.ImportanceStatistics.OfTensor;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class ImportanceStatisticsTest {
    private static final Offset<Double> NEAR = within(1e-6);

    private static ImportanceMatrix matrix() {
        ActivationSums sums = new ActivationSums(1);
        sums.add("blk.0.attn_q.weight", new double[] {1, 1, 1, 1}, 1);
        sums.add("blk.1.attn_q.weight", new double[] {8, 0, 0, 0}, 2);
        sums.add("blk.1.ffn_up.weight", new double[] {2, 2}, 1);
        sums.add("output.weight", new double[] {3, 1}, 1);
        return sums.matrix();
    }

    @Test
    void ofTensors() {
        List<OfTensor> all = ImportanceStatistics.tensors(matrix());
        // Equal sums stay in the matrix's order.
        assertThat(all)
                .extracting(OfTensor::tensor)
                .containsExactly("blk.0.attn_q.weight", "blk.1.attn_q.weight", "blk.1.ffn_up.weight", "output.weight");
        OfTensor even = all.get(0);
        assertThat(even.part()).isEqualTo("attn_q");
        assertThat(even.layer()).isZero();
        assertThat(even.sum()).isEqualTo(4);
        assertThat(even.deviation()).isZero();
        assertThat(even.active()).isEqualTo(1);
        assertThat(even.entropy()).isCloseTo(2, NEAR);
        assertThat(even.evenness()).isCloseTo(1, NEAR);
        assertThat(even.outstanding()).isZero();
        assertThat(even.similarity()).isZero();
        OfTensor single = all.get(1);
        assertThat(single.least()).isZero();
        assertThat(single.most()).isEqualTo(4);
        assertThat(single.mean()).isEqualTo(1);
        assertThat(single.deviation()).isCloseTo(Math.sqrt(3), NEAR);
        assertThat(single.active()).isEqualTo(0.25);
        assertThat(single.entropy()).isZero();
        // (4 - 1) / sqrt(3) is above one.
        assertThat(single.outstanding()).isEqualTo(0.25);
        assertThat(single.similarity()).isCloseTo(0.5, NEAR);
        assertThat(all.get(3).layer()).isEqualTo(-1);
        assertThat(all.get(3).part()).isEqualTo("output");
    }

    @Test
    void ofLayersByNumberOfValues() {
        List<OfLayer> layers = ImportanceStatistics.layers(ImportanceStatistics.tensors(matrix()));
        assertThat(layers).hasSize(2);
        OfLayer second = layers.get(1);
        assertThat(second.layer()).isEqualTo(1);
        assertThat(second.sum()).isCloseTo((4.0 * 4 + 4.0 * 2) / 6, NEAR);
        assertThat(second.outstanding()).isCloseTo(0.25 * 4 / 6, NEAR);
        assertThat(second.similarity()).isCloseTo(0.5 * 4 / 6, NEAR);
    }

    /** What llama-imatrix --show-statistics of the pinned version printed (scripts/build-peer-tools makes it). */
    @Test
    void theToolsOwnTables() throws Exception {
        Path golden = Path.of("test-data/golden");
        ImportanceMatrix matrix = ImportanceReader.read(golden.resolve("imatrix.gguf"));
        List<OfTensor> tensors = ImportanceStatistics.tensors(matrix);
        List<String> lines = Files.readAllLines(golden.resolve("imatrix-statistics.txt"));
        List<List<String>> rows = lines.stream()
                .filter(line -> line.matches(" +[0-9-]+\\t.*"))
                .map(line -> Stream.of(line.split("\t", -1)).map(String::strip).toList())
                .toList();
        List<List<String>> ofTensors =
                rows.stream().filter(row -> row.size() == 13).toList();
        List<List<String>> ofLayers =
                rows.stream().filter(row -> row.size() == 4).toList();

        assertThat(ofTensors).hasSize(28);
        assertThat(tensors.stream().map(ImportanceStatisticsTest::row)).containsExactlyInAnyOrderElementsOf(ofTensors);
        assertThat(ofTensors.stream().map(row -> row.get(1) + row.get(0)))
                .containsExactlyElementsOf(tensors.stream()
                        .map(tensor -> tensor.part() + tensor.layer())
                        .toList());
        assertThat(ImportanceStatistics.layers(tensors).stream().map(ImportanceStatisticsTest::row))
                .containsExactlyElementsOf(ofLayers);
    }

    private static List<String> row(OfTensor one) {
        return List.of(
                String.valueOf(one.layer()),
                one.part(),
                digits(one.sum(), 2),
                digits(one.least(), 4),
                digits(one.most(), 4),
                digits(one.mean(), 2),
                digits(one.deviation(), 2),
                digits(100 * one.active(), 2) + "%",
                String.valueOf(one.values()),
                digits(one.entropy(), 4),
                digits(100 * one.evenness(), 2) + "%",
                digits(100 * one.outstanding(), 2) + "%",
                digits(one.similarity(), 4));
    }

    private static List<String> row(OfLayer one) {
        return List.of(
                String.valueOf(one.layer()),
                digits(one.sum(), 2),
                digits(100 * one.outstanding(), 4) + "%",
                digits(one.similarity(), 4));
    }

    /** As C prints. */
    private static String digits(double value, int digits) {
        return new BigDecimal(value).setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
    }
}
