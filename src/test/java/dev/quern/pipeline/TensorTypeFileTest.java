package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufMetadata;
import dev.quern.io.RefusedException;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Computed;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Types as a file that llama-quantize takes. */
class TensorTypeFileTest {
    private static final Path FILE = Path.of("types.txt");

    private static OutputPlan plan(String... names) {
        Shape shape = Shape.of(2, 32);
        return new OutputPlan(
                "Q4_0",
                new GgufMetadata(),
                Stream.of(names)
                        .map(name -> new PlannedTensor(
                                name,
                                QuantType.Q4_0,
                                shape,
                                new Computed(new TensorInfo(name, DType.F32, shape), new float[64]),
                                "",
                                false,
                                null))
                        .toList());
    }

    @Test
    void eachTensorIsNamedAlone() {
        assertThat(TensorTypeFile.text(
                        FILE,
                        List.of(
                                plan("blk.1.attn_q.weight", "blk.11.attn_q.weight", "blk.1.attn_norm.weight"),
                                plan("a-b.weight"))))
                .isEqualTo("""
                    ^blk\\.1\\.attn_q\\.weight$=Q4_0
                    ^blk\\.11\\.attn_q\\.weight$=Q4_0
                    ^a-b\\.weight$=Q4_0
                    """);
    }

    /** Lower case, and no white space or equals sign, which would end the expression. */
    @Test
    void whatCannotBeWrittenIsLeftOpen() {
        assertThat(TensorTypeFile.text(FILE, List.of(plan("a B=c+(d).weight"))))
                .isEqualTo("^a...c..d.\\.weight$=Q4_0\n");
        assertThatThrownBy(() -> TensorTypeFile.text(FILE, List.of(plan("aB.weight", "aC.weight"))))
                .isInstanceOf(RefusedException.class)
                .hasMessage("types.txt: no expression names tensor \"aB.weight\" alone");
    }
}
