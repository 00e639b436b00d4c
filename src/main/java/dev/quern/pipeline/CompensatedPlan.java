package dev.quern.pipeline;

import dev.quern.architecture.Architecture;
import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.compensation.Choice;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.LayerInputs;
import dev.quern.evaluation.Windows;
import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.io.Quoted;
import dev.quern.tensor.Replaceable;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * A plan whose quantized tensors have codes that were chosen together ({@link Compensation}): same types, same sizes,
 * other blocks. They lie in a temporary file beside the output until that is written.
 */
public final class CompensatedPlan implements AutoCloseable {
    private final OutputPlan plan;
    private final CodesFile codes;

    /** Is told how it goes. */
    public interface Listener {
        void block(int block, int blocks);

        void chosen(PlannedTensor tensor, Choice choice);
    }

    /**
     * @param damping part of the mean moment that is added to the moments' diagonal
     * @param sweeps passes of coordinate descent
     */
    public record Options(int threads, long memory, double damping, int sweeps, Listener listener) {}

    private CompensatedPlan(OutputPlan plan, CodesFile codes) {
        this.plan = plan;
        this.codes = codes;
    }

    public OutputPlan plan() {
        return plan;
    }

    /** One line that {@link CodesFile} keeps. */
    static String note(Choice choice) {
        return String.format(Locale.ROOT, "%.6g %.6g %.3g", choice.reference(), choice.compensated(), choice.damping());
    }

    /** Whether a tensor's blocks are made here: it is quantized, and not merely copied. */
    private static boolean isMade(PlannedTensor tensor) {
        return tensor.type().isQuantized() && !tensor.copied() && tensor.shape().rank() > 1;
    }

    public static CompensatedPlan of(
            Source source, OutputPlan plan, Windows text, Path target, List<Path> reading, Options options) {
        Model model = source.model();
        ForwardPass pass = Architecture.of(model.metadata())
                .flatMap(page -> Optional.ofNullable(page.forward()))
                .orElseThrow(() -> InputException.of(
                        model.origin(),
                        "architecture " + Quoted.of(model.metadata().architecture()) + " cannot be evaluated"));
        List<PlannedTensor> made =
                plan.tensors().stream().filter(CompensatedPlan::isMade).toList();
        OutputFile file = OutputFile.create(
                target.resolveSibling(target.getFileName() + ".codes"), CodesFile.bytes(made), reading, true);
        CodesFile codes = CodesFile.open(file, made);
        try {
            choose(model, pass, made, text, codes, options);
        } catch (RuntimeException e) {
            codes.close();
            throw e;
        }
        List<PlannedTensor> tensors = new ArrayList<>();
        for (PlannedTensor tensor : plan.tensors()) {
            tensors.add(
                    isMade(tensor)
                            ? new PlannedTensor(
                                    tensor.name(),
                                    tensor.type(),
                                    tensor.shape(),
                                    codes.source(tensor.name()),
                                    tensor.rule(),
                                    true,
                                    null)
                            : tensor);
        }
        return new CompensatedPlan(new OutputPlan(plan.type(), plan.metadata(), tensors), codes);
    }

    private static void choose(
            Model model, ForwardPass pass, List<PlannedTensor> made, Windows text, CodesFile codes, Options options) {
        Map<String, Replaceable> now = new LinkedHashMap<>();
        TensorGraph graph = new TensorGraph();
        for (TensorSource tensor : model.tensors().sources()) {
            Replaceable replaceable = new Replaceable(tensor);
            now.put(tensor.info().name(), replaceable);
            graph.add(replaceable);
        }
        Model quantized = new Model(model.origin(), model.metadata(), graph, List.of());
        try (Forward before = Forward.of(model, pass, text.length(), options.threads(), options.memory());
                Forward after = Forward.of(quantized, pass, text.length(), options.threads(), options.memory());
                Workers workers = new Workers(options.threads(), "codes");
                Arena arena = Arena.ofShared()) {
            MemorySegment states = arena.allocate(LayerInputs.bytes(text, before), 64);
            LayerInputs inputs = new LayerInputs(before, after, text, states);
            Compensation compensation = new Compensation(made, now, inputs, text, codes, options, workers);
            compensation.run(before);
        }
    }

    @Override
    public void close() {
        codes.discard();
        codes.close();
    }
}
