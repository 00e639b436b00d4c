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
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.tensor.Encoded;
import dev.quern.tensor.Replaceable;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the codes of a model's tensors layer after layer, so that each layer repairs on real text what those before it
 * have done: its weights are fitted to give the original's outputs from the inputs that the quantized model brings.
 */
final class Compensation {
    /** Every so many windows one is held back to judge by. */
    private static final int JUDGED = 8;

    /** Bytes of moments of experts that are gathered in one pass over the text. */
    private static final long EXPERT_BYTES = 1L << 30;

    private final Map<String, PlannedTensor> planned = new LinkedHashMap<>();
    private final Map<String, Replaceable> now;
    private final LayerInputs inputs;
    private final Windows text;
    private final CodesFile codes;
    private final CompensatedPlan.Options options;
    private final Workers workers;
    private final Timings timings = new Timings();

    /** Seconds by what they were spent on. */
    static final class Timings {
        double forward;
        double moments;
        double factors;
        double codes;
        double judging;
    }

    /**
     * @param now the quantized model's tensors by name, original ones at first
     * @param tensors those whose blocks are wanted
     */
    Compensation(
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

    Timings timings() {
        return timings;
    }

    /** @param outputs inputs of the output matrix in the original model, of whole windows; for tied embeddings */
    void run(Forward original) {
        List<String> met = new ArrayList<>();
        List<List<Group>> groups = new ArrayList<>();
        Group output = inputs.output();
        for (int block = 0; block < inputs.blocks(); block++) {
            groups.add(null);
        }
        // An embedding that serves as output matrix too is needed before anything of the quantized model is known.
        for (PlannedTensor tensor : planned.values()) {
            String name = tensor.source().info().name();
            if (isOutside(name)) {
                if (output.tensors().contains(name)
                        && CodeForm.of(tensor.type()).isPresent()
                        && !codes.has(tensor.name())) {
                    tied(tensor, original);
                } else if (!codes.has(tensor.name())) {
                    alone(tensor);
                }
                now.get(name).replace(codes.source(tensor.name()));
                met.add(name);
            }
        }
        double begun = seconds();
        inputs.begin();
        timings.forward += seconds() - begun;
        for (int block = 0; block < inputs.blocks(); block++) {
            options.listener().block(block, inputs.blocks());
            begun = seconds();
            List<Group> met2 = inputs.groups(block);
            timings.forward += seconds() - begun;
            for (Group group : met2) {
                choose(group);
            }
            begun = seconds();
            inputs.advance(block);
            timings.forward += seconds() - begun;
        }
        if (!met.containsAll(output.tensors())) {
            choose(output);
        }
    }

    private static double seconds() {
        return System.nanoTime() / 1e9;
    }

    /** Whether a tensor belongs to no block. */
    private boolean isOutside(String name) {
        return !name.startsWith("blk.") && !name.equals("output.weight");
    }

    private List<PlannedTensor> missing(Group group) {
        return group.tensors().stream()
                .filter(planned::containsKey)
                .map(planned::get)
                .filter(tensor -> !codes.has(tensor.name()))
                .toList();
    }

    private void choose(Group group) {
        List<PlannedTensor> wanted = missing(group);
        List<PlannedTensor> free = wanted.stream()
                .filter(tensor -> CodeForm.of(tensor.type()).isPresent())
                .toList();
        for (PlannedTensor tensor : wanted) {
            if (!free.contains(tensor)) {
                codes.put(tensor.name(), reference(tensor), "reference");
            }
        }
        if (!free.isEmpty()) {
            if (group.byExperts()) {
                experts(group, free);
            } else {
                together(group, free);
            }
        }
        for (String name : group.tensors()) {
            PlannedTensor tensor = planned.get(name);
            if (tensor != null) {
                now.get(name).replace(codes.source(tensor.name()));
            }
        }
    }

    private boolean isJudged(int window) {
        return window % JUDGED == JUDGED / 2;
    }

    private void together(Group group, List<PlannedTensor> tensors) {
        int width = Math.toIntExact(tensors.getFirst().shape().rowLength());
        ProductSums moments = ProductSums.moments(width);
        ProductSums products = ProductSums.products(width, width);
        float added = group.added();
        Optional<ProductSums> missing = added == 0
                ? Optional.empty()
                : Optional.of(ProductSums.products(
                        Math.toIntExact(tensors.getFirst().shape().rows()), width));
        int judged = 0;
        for (int window = 0; window < text.count(); window++) {
            judged += isJudged(window) ? 1 : 0;
        }
        HeldBack held = new HeldBack(
                width,
                judged,
                text.length(),
                added == 0 ? 0 : Math.toIntExact(tensors.getFirst().shape().rows()));
        double begun = seconds();
        double[] inMoments = {0};
        inputs.show(group, (before, after, first, windows) -> {
            double start = seconds();
            for (int i = 0; i < windows; i++) {
                int row = i * text.length();
                int count = text.length();
                @Nullable
                Packed more = added == 0 ? null : difference(before.states(), after.states(), row, count, added);
                if (isJudged(first + i) && !held.isFull()) {
                    held.add(before.input(), after.input(), row, count, more);
                } else if (!isJudged(first + i)) {
                    moments.add(after.input(), row, after.input(), row, count, workers);
                    products.add(before.input(), row, after.input(), row, count, workers);
                    if (more != null) {
                        missing.orElseThrow().add(more, 0, after.input(), row, count, workers);
                    }
                }
            }
            inMoments[0] += seconds() - start;
        });
        timings.forward += seconds() - begun - inMoments[0];
        timings.moments += inMoments[0];
        begun = seconds();
        LayerCodes layer =
                LayerCodes.of(moments, Optional.of(products), missing, options.damping(), options.sweeps(), workers);
        timings.factors += seconds() - begun;
        for (PlannedTensor tensor : tensors) {
            begun = seconds();
            byte[] chosen = new byte[Math.toIntExact(tensor.bytes())];
            layer.quantize(
                    tensor.source(),
                    0,
                    Math.toIntExact(tensor.shape().rows()),
                    CodeForm.of(tensor.type()).orElseThrow(),
                    chosen,
                    0);
            timings.codes += seconds() - begun;
            begun = seconds();
            byte[] reference = reference(tensor);
            double[] errors = OutputError.of(
                    tensor.source(),
                    0,
                    Math.toIntExact(tensor.shape().rows()),
                    held.original(),
                    held.missing(),
                    List.of(encoded(tensor, reference), encoded(tensor, chosen)),
                    held.quantized(),
                    workers);
            timings.judging += seconds() - begun;
            keep(tensor, reference, chosen, new Choice(errors[0] / errors[2], errors[1] / errors[2], layer.damping()));
        }
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

    private void keep(PlannedTensor tensor, byte[] reference, byte[] chosen, Choice choice) {
        codes.put(tensor.name(), choice.isKept() ? chosen : reference, CompensatedPlan.note(choice));
        options.listener().chosen(tensor, choice);
    }

    private void experts(Group group, List<PlannedTensor> tensors) {
        throw new UnsupportedOperationException();
    }

    private void tied(PlannedTensor tensor, Forward original) {
        throw new UnsupportedOperationException();
    }

    /** A tensor that is looked up, not multiplied: each row for itself, every column alike. */
    private void alone(PlannedTensor tensor) {
        byte[] blocks = SearchCodecs.create(tensor.type())
                .map(codec -> encode(tensor, true))
                .orElseGet(() -> reference(tensor));
        codes.put(tensor.name(), blocks, "search");
    }

    private static TensorSource encoded(PlannedTensor tensor, byte[] blocks) {
        return new Encoded(
                tensor.source().info(),
                blocks,
                tensor.type().bytesFor(tensor.shape().rowLength()),
                Codecs.decoder(tensor.type(), Kernel.fastest()));
    }

    private byte[] reference(PlannedTensor tensor) {
        return encode(tensor, false);
    }

    private byte[] encode(PlannedTensor tensor, boolean search) {
        int length = Math.toIntExact(tensor.shape().rowLength());
        int rows = Math.toIntExact(tensor.shape().rows());
        int rowBytes = Math.toIntExact(tensor.type().bytesFor(length));
        byte[] out = new byte[Math.toIntExact(tensor.bytes())];
        BlockCodec[] codecs = new BlockCodec[workers.threads()];
        float[][] row = new float[workers.threads()][length];
        float @Nullable [][] importance = tensor.importance();
        workers.each(rows, (index, worker) -> {
            if (codecs[worker] == null) {
                codecs[worker] = search
                        ? SearchCodecs.create(tensor.type()).orElseThrow()
                        : Codecs.create(tensor.type(), Kernel.fastest());
            }
            tensor.source().readRows(index, 1, row[worker], 0);
            float[] weights = importance == null ? null : importance[(int) ((long) index * importance.length / rows)];
            codecs[worker].quantize(row[worker], 0, length, weights, out, index * rowBytes);
        });
        return out;
    }
}
