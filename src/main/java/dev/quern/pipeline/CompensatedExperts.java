package dev.quern.pipeline;

import dev.quern.compensation.Choice;
import dev.quern.compensation.LayerCodes;
import dev.quern.compensation.ProductSums;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.LayerInputs;
import dev.quern.evaluation.LayerInputs.Group;
import dev.quern.evaluation.OutputError;
import dev.quern.evaluation.Windows;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.quantization.codes.ScaledForm;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Experts of one tensor, each with the moments of the tokens that are sent to it in the quantized model, drawn towards
 * those of all experts where they are few. An expert aims at its own weights' outputs: the original model sends other
 * tokens to it, so that there is nothing to compare with.
 */
record CompensatedExperts(
        LayerInputs inputs,
        Windows text,
        CodesFile codes,
        CompensatedPlan.Options options,
        Workers workers,
        CompensationTimes times) {
    /** Rows of one expert that are held back at most. */
    private static final int MOST_HELD = 512;

    /** What one expert saw. */
    private record Seen(ProductSums moments, List<float[]> held) {}

    void choose(Group group, List<PlannedTensor> tensors) {
        PlannedTensor any = tensors.getFirst();
        int experts = Math.toIntExact(any.shape().dim(0));
        int width = Math.toIntExact(any.shape().rowLength());
        int atOnce = Math.clamp(options.room().experts() / ((long) width * width * Float.BYTES), 1, experts);
        ProductSums all = ProductSums.moments(width);
        double[][] errors = new double[tensors.size()][3];
        int[] kept = new int[tensors.size()];
        double damping = 0;
        for (int first = 0; first < experts; first += atOnce) {
            int end = Math.min(experts, first + atOnce);
            List<Seen> seen = gather(group, width, first, end, first == 0 ? all : null);
            for (int expert = first; expert < end; expert++) {
                Seen own = seen.get(expert - first);
                // The sums are used up by the first expert that draws towards them, so each draws from the same.
                LayerCodes layer = times.factors(() -> LayerCodes.of(
                        own.moments().towards(all),
                        Optional.empty(),
                        Optional.empty(),
                        options.damping(),
                        options.sweeps(),
                        CompensatedModel.together(tensors),
                        workers));
                damping = Math.max(damping, layer.damping());
                for (int i = 0; i < tensors.size(); i++) {
                    kept[i] += choose(tensors.get(i), experts, expert, layer, own.held(), errors[i]) ? 1 : 0;
                }
            }
        }
        for (int i = 0; i < tensors.size(); i++) {
            double whole = errors[i][2] == 0 ? 1 : errors[i][2];
            Choice choice = new Choice(errors[i][0] / whole, errors[i][1] / whole, (double) kept[i] / experts, damping);
            codes.complete(tensors.get(i), choice.line());
            options.listener().chosen(tensors.get(i), choice);
        }
    }

    /** @param all receives what every expert saw, or null */
    private List<Seen> gather(Group group, int width, int from, int end, @Nullable ProductSums all) {
        List<Seen> seen = new ArrayList<>();
        for (int expert = from; expert < end; expert++) {
            seen.add(new Seen(ProductSums.moments(width), new ArrayList<>()));
        }
        times.forward(() -> inputs.showByExperts(
                group,
                (input, first, counts, tokens, window) -> times.moments(() -> {
                    for (int expert = 0; expert < counts.length; expert++) {
                        boolean wanted = expert >= from && expert < end;
                        if (wanted || all != null) {
                            add(
                                    input,
                                    first[expert],
                                    counts[expert],
                                    tokens,
                                    window,
                                    wanted ? seen.get(expert - from) : null,
                                    all);
                        }
                    }
                })));
        return seen;
    }

    /** An expert's rows, window by window: those that are held back, and those that count. */
    private void add(
            Packed input,
            int first,
            int count,
            int[] tokens,
            int window,
            @Nullable Seen seen,
            @Nullable ProductSums all) {
        for (int row = first; row < first + count; ) {
            int which = tokens[row] / text.length();
            int end = row;
            while (end < first + count && tokens[end] / text.length() == which) {
                end++;
            }
            if (!CompensatedModel.isJudged(text, window + which)) {
                if (seen != null) {
                    seen.moments().add(input, row, input, row, end - row, workers);
                }
                if (all != null) {
                    all.add(input, row, input, row, end - row, workers);
                }
            } else if (seen != null) {
                for (int i = row; i < end && seen.held().size() < MOST_HELD; i++) {
                    float[] values = new float[input.width()];
                    input.read(i, 0, values.length, values, 0);
                    seen.held().add(values);
                }
            }
            row = end;
        }
    }

    /** @return whether the codes chosen together are better; where no text was held back for an expert they are not */
    private boolean choose(
            PlannedTensor tensor, int experts, int expert, LayerCodes layer, List<float[]> held, double[] errors) {
        int rows = Math.toIntExact(tensor.shape().rows() / experts);
        int rowBytes = Math.toIntExact(tensor.type().bytesFor(tensor.shape().rowLength()));
        int firstRow = expert * rows;
        byte[] chosen = new byte[Math.multiplyExact(rows, rowBytes)];
        ScaledForm form = ScaledForm.of(tensor.type()).orElseThrow();
        times.codes(() -> layer.quantize(tensor.source(), firstRow, rows, form, chosen, 0));
        boolean[] better = {false};
        times.judging(() -> {
            byte[] reference = Encoding.REFERENCE.encode(tensor, firstRow, rows, workers);
            if (!held.isEmpty()) {
                Packed input = packed(held);
                double[] found = OutputError.of(
                        tensor.source(),
                        firstRow,
                        rows,
                        input,
                        null,
                        List.of(Encoding.decoded(tensor, rows, reference), Encoding.decoded(tensor, rows, chosen)),
                        input,
                        workers);
                better[0] = found[1] < found[0];
                for (int i = 0; i < errors.length; i++) {
                    errors[i] += found[i];
                }
            }
            codes.put(tensor, (long) firstRow * rowBytes, better[0] ? chosen : reference);
        });
        return better[0];
    }

    private static Packed packed(List<float[]> rows) {
        int width = rows.getFirst().length;
        Packed packed = new Packed(rows.size(), width, new float[Packed.size(rows.size(), width)]);
        for (int i = 0; i < rows.size(); i++) {
            packed.write(i, 0, width, rows.get(i), 0);
        }
        return packed;
    }
}
