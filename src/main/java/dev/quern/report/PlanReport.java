package dev.quern.report;

import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.PlannedTensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A plan as a dry run shows it. */
public final class PlanReport {
    private PlanReport() {}

    /** @param threads workers, whose scratch is all the memory a conversion takes besides the JVM's own */
    public static String text(Conversion.Output output, int threads) {
        OutputPlan plan = output.plan();
        Table table = new Table("tensor", "shape", "type", "bytes", "because");
        for (PlannedTensor tensor : plan.tensors()) {
            table.add(
                    tensor.name(),
                    tensor.shape().toString(),
                    tensor.type().name(),
                    Long.toString(tensor.bytes()),
                    tensor.copied() ? tensor.rule() + " (copied)" : tensor.rule());
        }
        return table.text()
                + String.format(
                        Locale.ROOT,
                        "%s: %s, %d tensors, %d parameters, %.2f bits per weight, %d bytes, about %d MiB of buffers%n",
                        output.target(),
                        plan.type(),
                        plan.tensors().size(),
                        plan.parameters(),
                        plan.bitsPerWeight(),
                        plan.layout().fileSize(),
                        Math.ceilDiv(Conversion.bufferBytes(plan, threads), 1 << 20));
    }

    public static Map<String, Object> map(Conversion.Output output) {
        OutputPlan plan = output.plan();
        List<Map<String, Object>> tensors = new ArrayList<>();
        for (PlannedTensor tensor : plan.tensors()) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("name", tensor.name());
            entry.put("shape", tensor.shape().dims());
            entry.put("type", tensor.type().name());
            entry.put("bytes", tensor.bytes());
            entry.put("because", tensor.rule());
            entry.put("copied", tensor.copied());
            tensors.add(entry);
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("file", output.target().toString());
        map.put("type", plan.type());
        map.put("bytes", plan.layout().fileSize());
        map.put("parameters", plan.parameters());
        map.put("bits_per_weight", plan.bitsPerWeight());
        map.put("tensors", tensors);
        return map;
    }
}
