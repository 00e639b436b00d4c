package dev.quern.pipeline;

import dev.quern.compensation.Choice;
import dev.quern.compensation.LayerCodes;
import dev.quern.compensation.ProductSums;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.LayerInputs;
import dev.quern.evaluation.LayerInputs.Group;
import dev.quern.evaluation.OutputError;
import dev.quern.evaluation.Windows;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.ScaledForm;
import dev.quern.tensor.Replaceable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the codes of a model's tensors layer after layer, so that each layer repairs on real text what those before it
 * have done: its weights are fitted to give the original's outputs from the inputs that the quantized model brings, and
 * those that write to the states to bring the states themselves back to the original's.
 */
final class CompensatedModel {
    /** Of so many windows at least one is held back to judge by: of fewer, the rest is short of windows to fit to. */
    private static final int JUDGED = 8;

    /**
     * Of an embedding that is the output matrix too: part of the mean moment that is added to the diagonal, so that what
     * its rows are as inputs counts beside what they make of outputs.
     */
    private static final double TIED_DAMPING = 0.5;

    private final Map<String, PlannedTensor> planned = new LinkedHashMap<>();
    private final Map<String, Replaceable> now;
    private final LayerInputs inputs;
    private final Windows text;
    private final CodesFile codes;
    private final CompensatedPlan.Options options;
    private final Workers workers;
    private final CompensationTimes times = new CompensationTimes();

    /**
     * @param tensors those whose blocks are wanted
     * @param now the quantized model's tensors by name, original ones at first
     */
    CompensatedModel(
            List<PlannedTensor> tensors,
            Map<String, Replaceable> now,
            LayerInputs inputs,
            Windows text,
            CodesFile codes,
            CompensatedPlan.Options options,
            Workers workers) {
        tensors.forEach(tensor -> planned.put(tensor.source().info().name(), tensor));
        this.now = now;
        this.inputs = inputs;
        this.text = text;
        this.codes = codes;
        this.options = options;
        this.workers = workers;
    }

    CompensationTimes times() {
        return times;
    }

    /** Whether a window is held back: evenly over the text, and no more than are looked at. */
    static boolean isJudged(Windows text, int window) {
        int most = Math.max(1, HeldBack.MOST_ROWS / text.length());
        int every = Math.max(JUDGED, Math.ceilDiv(text.count(), most));
        return window % every == every / 2;
    }

    void choose(Forward original) {
        Group output = inputs.output();
        // What belongs to no block goes in first: the embedding's error is the first to be repaired.
        for (PlannedTensor tensor : planned.values()) {
            String name = tensor.source().info().name();
            if (!name.startsWith("blk.") && !name.equals("output.weight")) {
                if (!codes.has(tensor)) {
                    if (original.predicts()
                            && output.tensors().contains(name)
                            && ScaledForm.of(tensor.type()).isPresent()) {
                        onFinite(name, () -> tied(tensor, original));
                    } else {
                        search(tensor);
                    }
                }
                install(tensor);
            }
        }
        times.forward(inputs::begin);
        for (int block = 0; block < inputs.blocks(); block++) {
            options.listener().block(block, inputs.blocks());
            int index = block;
            List<Group> groups = inputs.groups(index);
            searchUnseen("blk." + index + ".", groups);
            groups.forEach(this::choose);
            times.forward(() -> inputs.advance(index));
        }
        if (output.tensors().equals(List.of("output.weight"))) {
            choose(output);
        }
        for (PlannedTensor tensor : planned.values()) {
            if (!codes.has(tensor)) {
                // Nothing that is computed reads it.
                search(tensor);
            }
        }
    }

    /** A block's tensors whose products are no group of their own: what they spoil, the groups repair. */
    private void searchUnseen(String block, List<Group> groups) {
        for (PlannedTensor tensor : planned.values()) {
            String name = tensor.source().info().name();
            if (name.startsWith(block)
                    && groups.stream().noneMatch(group -> group.tensors().contains(name))) {
                if (!codes.has(tensor)) {
                    search(tensor);
                }
                install(tensor);
            }
        }
    }

    private void search(PlannedTensor tensor) {
        String how = CodeForm.of(tensor.type()).isPresent() ? "search" : "reference";
        codes.put(tensor, Encoding.SEARCH.encode(tensor, 0, rows(tensor), workers), how);
    }

    private static int rows(PlannedTensor tensor) {
        return Math.toIntExact(tensor.shape().rows());
    }

    /** From now on the quantized model has the tensor's blocks. */
    private void install(PlannedTensor tensor) {
        Objects.requireNonNull(now.get(tensor.source().info().name())).replace(codes.source(tensor));
    }

    private void choose(Group group) {
        onFinite(group.tensors().getFirst(), () -> chooseFinite(group));
    }

    private void onFinite(String tensor, Runnable work) {
        try {
            work.run();
        } catch (ArithmeticException e) {
            throw InputException.of(
                            text.origin(), "what goes into " + Quoted.of(tensor) + " is not finite on this text")
                    .withHint("the weights hold NaN or infinities, or overflow in float")
                    .withCause(e);
        }
    }

    private void chooseFinite(Group group) {
        List<PlannedTensor> tensors = group.tensors().stream()
                .map(planned::get)
                .filter(Objects::nonNull)
                .toList();
        for (PlannedTensor tensor : tensors) {
            if (!codes.has(tensor)
                    && (ScaledForm.of(tensor.type()).isEmpty() || tensor.shape().rowLength() > ProductSums.WIDEST)) {
                search(tensor);
            }
        }
        List<PlannedTensor> wanted =
                tensors.stream().filter(tensor -> !codes.has(tensor)).toList();
        if (!wanted.isEmpty()) {
            if (group.byExperts()) {
                new CompensatedExperts(inputs, text, codes, options, workers, times).choose(group, wanted);
            } else {
                together(group, wanted);
            }
        }
        tensors.forEach(this::install);
    }

    /** Neighbouring columns that codes of some of these tensors take together. */
    static int together(List<PlannedTensor> tensors) {
        return tensors.stream()
                .flatMap(tensor -> ScaledForm.of(tensor.type()).stream())
                .mapToInt(ScaledForm::together)
                .max()
                .orElse(1);
    }

    private int judgedWindows() {
        int judged = 0;
        for (int window = 0; window < text.count(); window++) {
            judged += isJudged(text, window) ? 1 : 0;
        }
        return judged;
    }

    private void together(Group group, List<PlannedTensor> tensors) {
        int width = Math.toIntExact(tensors.getFirst().shape().rowLength());
        float added = group.added();
        // What a kernel takes at a time divides every width that is quantized, but not every number of outputs.
        int outputs = added == 0 || rows(tensors.getFirst()) % Tile.ROWS != 0 ? 0 : rows(tensors.getFirst());
        ProductSums moments = ProductSums.moments(width);
        ProductSums products = ProductSums.products(width, width);
        Optional<ProductSums> missing =
                outputs == 0 ? Optional.empty() : Optional.of(ProductSums.products(outputs, width));
        HeldBack held = new HeldBack(width, judgedWindows(), text.length(), outputs);
        times.forward(() -> inputs.show(
                group,
                (before, after, first, windows) -> times.moments(() -> {
                    for (int i = 0; i < windows; i++) {
                        int row = i * text.length();
                        int count = text.length();
                        @Nullable
                        Packed more =
                                outputs == 0 ? null : difference(before.states(), after.states(), row, count, added);
                        if (!isJudged(text, first + i)) {
                            moments.add(after.input(), row, after.input(), row, count, workers);
                            products.add(before.input(), row, after.input(), row, count, workers);
                            if (more != null) {
                                missing.orElseThrow().add(more, 0, after.input(), row, count, workers);
                            }
                        } else if (!held.isFull()) {
                            held.add(before.input(), after.input(), row, count, more);
                        }
                    }
                })));
        LayerCodes layer = times.factors(() -> LayerCodes.of(
                moments,
                Optional.of(products),
                missing,
                options.damping(),
                options.sweeps(),
                together(tensors),
                workers));
        tensors.forEach(tensor -> quantize(tensor, layer, held));
    }

    /** Chooses a tensor's codes, and keeps them where they do better than the reference's on what was held back. */
    private void quantize(PlannedTensor tensor, LayerCodes layer, HeldBack held) {
        byte[] chosen = new byte[Math.toIntExact(tensor.bytes())];
        ScaledForm form = ScaledForm.of(tensor.type()).orElseThrow();
        times.codes(() -> layer.quantize(tensor.source(), 0, rows(tensor), form, chosen, 0));
        times.judging(() -> {
            byte[] reference = Encoding.REFERENCE.encode(tensor, 0, rows(tensor), workers);
            double[] errors = OutputError.of(
                    tensor.source(),
                    0,
                    rows(tensor),
                    held.original(),
                    held.missing(),
                    List.of(
                            Encoding.decoded(tensor, rows(tensor), reference),
                            Encoding.decoded(tensor, rows(tensor), chosen)),
                    held.quantized(),
                    workers);
            keep(tensor, reference, chosen, errors, layer.damping());
        });
    }

    /** The better blocks, and a line that says so. */
    private void keep(PlannedTensor tensor, byte[] reference, byte[] chosen, double[] errors, double damping) {
        boolean better = errors[1] < errors[0];
        double whole = errors[2] == 0 ? 1 : errors[2];
        Choice choice = new Choice(errors[0] / whole, errors[1] / whole, better ? 1 : 0, damping);
        codes.put(tensor, better ? chosen : reference, choice.line());
        options.listener().chosen(tensor, choice);
    }

    /** What a product would have to add to the quantized model's states besides, for them to be the original's. */
    private static Packed difference(Blocked before, Blocked now, int first, int count, float added) {
        int width = before.width();
        Packed out = new Packed(count, width, new float[Packed.size(count, width)]);
        float[] row = new float[width];
        float[] other = new float[width];
        for (int i = 0; i < count; i++) {
            before.read(first + i, 0, width, row, 0);
            now.read(first + i, 0, width, other, 0);
            for (int column = 0; column < width; column++) {
                row[column] = (row[column] - other[column]) / added;
            }
            out.write(i, 0, width, row, 0);
        }
        return out;
    }

    /**
     * An embedding that is the output matrix too: it has to be there before the quantized model computes anything, so
     * its output side is fitted to the original's states, and to its own rows.
     */
    private void tied(PlannedTensor tensor, Forward original) {
        int width = Math.toIntExact(tensor.shape().rowLength());
        ProductSums moments = ProductSums.moments(width);
        HeldBack held = new HeldBack(width, judgedWindows(), text.length(), 0);
        int batch = original.windowsInFlight();
        times.forward(() -> {
            for (int first = 0; first < text.count(); first += batch) {
                int windows = Math.min(batch, text.count() - first);
                Packed states = original.outputInputs(text.input(first, windows));
                int from = first;
                times.moments(() -> {
                    for (int i = 0; i < windows; i++) {
                        int row = i * text.length();
                        if (!isJudged(text, from + i)) {
                            moments.add(states, row, states, row, text.length(), workers);
                        } else if (!held.isFull()) {
                            held.add(states, states, row, text.length(), null);
                        }
                    }
                });
            }
        });
        LayerCodes layer = times.factors(() -> LayerCodes.of(
                moments,
                Optional.empty(),
                Optional.empty(),
                TIED_DAMPING,
                options.sweeps(),
                together(List.of(tensor)),
                workers));
        quantize(tensor, layer, held);
    }
}
