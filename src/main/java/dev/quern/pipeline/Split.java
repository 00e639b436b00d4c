package dev.quern.pipeline;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.gguf.SplitName;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * When a model goes into several files: how many tensors and bytes each takes at most, as convert_hf_to_gguf.py counts
 * them (gguf-py, GGUFWriter). The first file has all metadata, the others only what says which part they are.
 *
 * @param mostTensors in a file; 0 for any number
 * @param mostBytes of tensors in a file, without padding; 0 for any number. A larger tensor has a file of its own.
 * @param metadataFirst whether the first file has metadata alone
 */
public record Split(int mostTensors, long mostBytes, boolean metadataFirst) {
    /** What says which part of how many a file is. */
    static final List<String> KEYS = List.of("split.no", "split.count", "split.tensors.count");

    public static final Split NONE = new Split(0, 0, false);

    public Split {
        if (mostTensors < 0 || mostBytes < 0) {
            throw new IllegalArgumentException(mostTensors + " tensors, " + mostBytes + " bytes");
        }
    }

    /** The plan itself where everything fits into one file; otherwise one plan for each. */
    public List<OutputPlan> parts(OutputPlan plan) {
        List<List<PlannedTensor>> files = new ArrayList<>(List.of(new ArrayList<>()));
        if (metadataFirst) {
            files.add(new ArrayList<>());
        }
        long bytes = 0;
        for (PlannedTensor tensor : plan.tensors()) {
            int count = files.getLast().size();
            boolean full = mostTensors > 0 && count >= mostTensors;
            boolean heavy = mostBytes > 0 && bytes + tensor.bytes() > mostBytes;
            if (count > 0 && (full || heavy)) {
                files.add(new ArrayList<>());
                bytes = 0;
            }
            files.getLast().add(tensor);
            bytes += tensor.bytes();
        }
        List<OutputPlan> plans = new ArrayList<>();
        for (List<PlannedTensor> tensors : files) {
            GgufMetadata metadata = plans.isEmpty() ? new GgufMetadata(plan.metadata()) : new GgufMetadata();
            plans.add(new OutputPlan(plan.type(), metadata, tensors));
        }
        return numbered(plans);
    }

    /** The same plans, saying which part each is; one alone says nothing. */
    static List<OutputPlan> numbered(List<OutputPlan> plans) {
        if (plans.size() == 1) {
            return plans;
        }
        if (plans.size() > SplitName.MOST_PARTS) {
            throw new IllegalArgumentException(
                    plans.size() + " parts; a split model has at most " + SplitName.MOST_PARTS);
        }
        int tensors = plans.stream().mapToInt(plan -> plan.tensors().size()).sum();
        List<OutputPlan> numbered = new ArrayList<>();
        for (OutputPlan plan : plans) {
            GgufMetadata metadata = new GgufMetadata(plan.metadata())
                    .put("split.no", GgufValue.u16(numbered.size()))
                    .put("split.count", GgufValue.u16(plans.size()))
                    .put("split.tensors.count", GgufValue.i32(tensors));
            numbered.add(new OutputPlan(plan.type(), metadata, plan.tensors()));
        }
        return List.copyOf(numbered);
    }

    /** The plans with their files: the target itself for a single one, names with numbers for several. */
    public static List<Conversion.Output> outputs(List<OutputPlan> plans, Path target) {
        if (plans.size() == 1) {
            return List.of(new Conversion.Output(plans.getFirst(), target));
        }
        return numberedOutputs(plans, target);
    }

    /** As {@link #outputs}, with a number in the name of a single one too: --keep-split names it so. */
    public static List<Conversion.Output> numberedOutputs(List<OutputPlan> plans, Path target) {
        List<Conversion.Output> outputs = new ArrayList<>();
        for (OutputPlan plan : plans) {
            outputs.add(new Conversion.Output(plan, SplitName.part(target, outputs.size(), plans.size())));
        }
        return outputs;
    }
}
