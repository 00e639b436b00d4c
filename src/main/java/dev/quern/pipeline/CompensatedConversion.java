package dev.quern.pipeline;

import dev.quern.compensation.LayerCodes;
import dev.quern.compensation.ProductSums;
import dev.quern.evaluation.Windows;
import dev.quern.io.OutputFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.function.Predicate;

/** A conversion of which some outputs have codes that are chosen together before anything is written. */
public final class CompensatedConversion {
    private CompensatedConversion() {}

    /** Sees the choosing go on. */
    public interface Observer {
        /** @param target of the output whose codes are going to be chosen */
        CompensatedPlan.Listener listener(Path target);

        /** @param plan all is chosen; the plan does not outlive the conversion */
        void chosen(Path target, CompensatedPlan plan);
    }

    /**
     * @param model what outputs are made of
     * @param text whose windows codes are fitted to
     * @param outputs the parts of a split one together, in order
     * @param together which of them have codes that are chosen together
     * @param room memory for the choosing
     * @return as {@link Conversion#run(List, Inputs, Conversion.Options)}, with the plans that were given
     */
    public static List<Conversion.Written> run(
            EvaluatedModel model,
            Windows text,
            List<Conversion.Output> outputs,
            Predicate<Conversion.Output> together,
            Inputs inputs,
            Conversion.Options options,
            CompensatedPlan.Room room,
            Observer observer) {
        outputs.forEach(output -> refuse(output, inputs, options));
        List<CompensatedPlan> made = new ArrayList<>();
        try {
            List<Conversion.Output> filled = new ArrayList<>();
            IdentityHashMap<OutputPlan, OutputPlan> given = new IdentityHashMap<>();
            for (List<Conversion.Output> parts : models(outputs)) {
                if (!together.test(parts.getFirst()) || !isChosen(parts)) {
                    filled.addAll(parts);
                    continue;
                }
                Path target = parts.getFirst().target();
                CompensatedPlan plan = CompensatedPlan.of(
                        model,
                        parts.stream().map(Conversion.Output::plan).toList(),
                        text,
                        target,
                        inputs,
                        CompensatedPlan.Options.of(options, room, observer.listener(target)));
                made.add(plan);
                observer.chosen(target, plan);
                for (int i = 0; i < parts.size(); i++) {
                    given.put(plan.plans().get(i), parts.get(i).plan());
                    filled.add(new Conversion.Output(
                            plan.plans().get(i), parts.get(i).target()));
                }
            }
            // Blocks that are there are soon copied; what took long is kept elsewhere.
            Conversion.Options copying =
                    made.isEmpty() ? options : options.with(Conversion.Resume.NEVER, options.tool(), options.notices());
            List<Conversion.Written> written = Conversion.run(filled, inputs, copying);
            made.forEach(CompensatedPlan::written);
            return written.stream()
                    .map(file -> new Conversion.Written(
                            given.getOrDefault(file.plan(), file.plan()), file.file(), file.bytes(), file.tensors()))
                    .toList();
        } finally {
            made.forEach(CompensatedPlan::close);
        }
    }

    /**
     * Bytes of memory that choosing codes takes at most, beside the files' mappings: the two forward passes, four squares
     * of the widest input at a time (a square of its moments, one of its products with the original's, the factor, and
     * one that is being packed), what is missing of the outputs, held-back rows, and the tiles of each thread.
     *
     * @return 0 where no codes are chosen
     */
    public static long bytes(List<OutputPlan> plans, int threads) {
        long widest = plans.stream()
                .flatMap(plan -> plan.tensors().stream())
                .filter(CompensatedPlan::isMade)
                .mapToLong(tensor -> tensor.shape().rowLength())
                .filter(width -> width <= ProductSums.WIDEST)
                .max()
                .orElse(0);
        if (widest == 0) {
            return 0;
        }
        long floats = 5 * widest * widest + 3L * HeldBack.MOST_ROWS * widest + threads * LayerCodes.floats(widest);
        return 2 * CompensatedPlan.Room.USUAL.forward() + floats * Float.BYTES;
    }

    /** Refuses at once what cannot be written when all is chosen. */
    private static void refuse(Conversion.Output output, Inputs inputs, Conversion.Options options) {
        long size = output.plan().layout().fileSize();
        OutputFile.create(output.target(), size, inputs.paths(), options.overwrite(), options.operations())
                .close();
    }

    /** Whether there are any codes to choose: a file of floats has none. */
    private static boolean isChosen(List<Conversion.Output> parts) {
        return parts.stream().flatMap(part -> part.plan().tensors().stream()).anyMatch(CompensatedPlan::isMade);
    }

    /** Parts of a split output together. */
    private static List<List<Conversion.Output>> models(List<Conversion.Output> outputs) {
        List<List<Conversion.Output>> models = new ArrayList<>();
        for (Conversion.Output output : outputs) {
            if (output.plan().metadata().integer("split.no").orElse(0) == 0) {
                models.add(new ArrayList<>());
            }
            models.getLast().add(output);
        }
        return models;
    }
}
