package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GateTest {
    @ParameterizedTest
    @CsvSource({
        "kld<=0.03, KLD, AT_MOST, 0.03",
        "' KLD  <  3e-2 ', KLD, BELOW, 0.03",
        "kld_p999<=1E+1, KLD_P999, AT_MOST, 10",
        "ppl_increase<=2%, PPL_INCREASE, AT_MOST, 0.02",
        "ppl_increase <= 2 %, PPL_INCREASE, AT_MOST, 0.02",
        "same_top>=91%, SAME_TOP, AT_LEAST, 0.91",
        "same_top>0.91, SAME_TOP, ABOVE, 0.91",
        "mean_dp>=-.5%, MEAN_DP, AT_LEAST, -0.005",
        "size<=4.2GB, SIZE, AT_MOST, 4200000000",
        "size<800MiB, SIZE, BELOW, 838860800",
        "size<=1000, SIZE, AT_MOST, 1000"
    })
    void reads(String text, Quantity quantity, Gate.Relation relation, double limit) {
        Gate gate = Gate.parse(text);
        assertThat(gate.quantity()).isEqualTo(quantity);
        assertThat(gate.relation()).isEqualTo(relation);
        assertThat(gate.limit()).isEqualTo(limit);
        assertThat(gate.text()).isEqualTo(text.strip());
    }

    /** As recipes write it; the text is what was meant. */
    @ParameterizedTest
    @CsvSource({
        "kld: 0.03, kld<=0.03",
        "ppl_increase:2%, ppl_increase<=2%",
        "same_top: 91 %, same_top>=91%",
        "mean_dp: -0.5%, mean_dp>=-0.5%",
        "size: 4.2 GB, size<=4.2GB"
    })
    void readsTheQuantitysOwnRelation(String text, String meant) {
        assertThat(Gate.parse(text)).isEqualTo(Gate.parse(meant));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "kld | expected a name, one of <= < >= >, and a value, such as kld<=0.03",
                "kld==0.1 | expected a name, one of <= < >= >, and a value, such as kld<=0.03",
                "kld<= | expected a name, one of <= < >= >, and a value, such as kld<=0.03",
                "kld<=0.1 and more | expected a name, one of <= < >= >, and a value, such as kld<=0.03",
                "kld<=0.1.2 | expected a number, found '0.1.2'",
                "kld<=1e999 | expected a finite number, found '1e999'",
                "kld<=3% | kld has no unit, found '%'",
                "same_top>=91 | expected a percentage or a fraction, such as 91% or 0.91, found 91",
                "same_top>=91GB | same_top takes % or a fraction, found 'GB'",
                "size<=4.2XB | size takes bytes, KB to TB or KiB to TiB, found 'XB'"
            })
    void saysWhatItExpected(String text, String problem) {
        assertThatThrownBy(() -> Gate.parse(text))
                .isInstanceOf(Gate.Unreadable.class)
                .hasMessage("gate '" + text + "': " + problem);
    }

    @Test
    void namesWhatIsMeasured() {
        assertThatThrownBy(() -> Gate.parse("kdl<=1"))
                .hasMessage("gate 'kdl<=1': expected one of kld, kld_upper, kld_median, kld_p90, kld_p95, kld_p99,"
                        + " kld_p999, kld_max, ppl, ppl_ratio, ppl_increase, ppl_increase_upper, ln_ppl_ratio,"
                        + " same_top, mean_dp, rms_dp, size, found 'kdl'");
    }

    /** What is asked about vectors is not asked about predictions, and the other way round. */
    @Test
    void vectorsHaveGatesOfTheirOwn() {
        Gate gate = Gate.parse("cosine_min>=0.99", Quantity.OF_VECTORS);
        assertThat(gate.judge(Map.of(Quantity.COSINE_MIN, 0.995)).passed()).isTrue();
        assertThat(gate.judge(Map.of(Quantity.COSINE_MIN, 0.985)).passed()).isFalse();
        assertThat(Gate.parse("cosine_mean: 0.99", Quantity.OF_VECTORS).text()).isEqualTo("cosine_mean>=0.99");
        assertThat(Gate.parse("same_nearest: 95%", Quantity.OF_VECTORS).text()).isEqualTo("same_nearest>=95%");
        assertThat(Gate.parse("size<=4MB", Quantity.OF_VECTORS).limit()).isEqualTo(4e6);
        assertThatThrownBy(() -> Gate.parse("kld<=1", Quantity.OF_VECTORS))
                .hasMessage("gate 'kld<=1': expected one of cosine_mean, cosine_min, same_nearest, size, found 'kld'");
        assertThatThrownBy(() -> Gate.parse("cosine_min", Quantity.OF_VECTORS))
                .hasMessageEndingWith("such as cosine_min>=0.99");
        assertThatThrownBy(() -> Gate.parse("cosine_min>=1"))
                .hasMessageEndingWith("same_top, mean_dp, rms_dp, size, found 'cosine_min'");
    }

    @ParameterizedTest
    @ValueSource(strings = {"kld<=0.5", "kld>=0.5", "kld<0.51", "kld>0.49"})
    void passes(String text) {
        assertThat(Gate.parse(text).judge(Map.of(Quantity.KLD, 0.5)).passed()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"kld<=0.49", "kld>=0.51", "kld<0.5", "kld>0.5"})
    void fails(String text) {
        assertThat(Gate.parse(text).judge(Map.of(Quantity.KLD, 0.5)).passed()).isFalse();
    }

    @Test
    void whatIsNoNumberOrWasNotMeasuredIsNotPassed() {
        Gate gate = Gate.parse("kld_upper<=0.5");
        assertThat(gate.judge(Map.of(Quantity.KLD_UPPER, Double.NaN)).passed()).isFalse();
        Gate.Verdict verdict = gate.judge(Map.of(Quantity.KLD, 0.1));
        assertThat(verdict.passed()).isFalse();
        assertThat(verdict.text()).isEqualTo("kld_upper<=0.5: failed, could not be measured");
        assertThat(Gate.parse("size<3MB").judge(Map.of(Quantity.SIZE, 2.5e6)).text())
                .isEqualTo("size<3MB: passed, 2.500MB");
    }
}
