package dev.quern.importance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.importance.ImportanceStatistics.OfLayer;
import dev.quern.importance.ImportanceStatistics.OfTensor;
import java.util.List;
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
}
