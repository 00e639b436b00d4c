package dev.quern.pipeline;

import dev.quern.architecture.Model;
import dev.quern.compensation.Choice;
import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.LayerInputs;
import dev.quern.evaluation.Windows;
import dev.quern.io.FileOperations;
import dev.quern.io.InputException;
import dev.quern.io.OutputException;
import dev.quern.io.OutputFile;
import dev.quern.io.Sha256;
import dev.quern.tensor.Replaceable;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Plans of one model whose quantized tensors have codes that were chosen together ({@link CompensatedModel}): the same
 * types and sizes, other blocks. They lie in a temporary file beside the first output until all are written.
 */
public final class CompensatedPlan implements AutoCloseable {
    /** Below it nothing sure can be held back: two of sixteen windows decide. */
    public static final int LEAST_WINDOWS = 16;

    private final List<OutputPlan> plans;
    private final List<PlannedTensor> made;
    private final CodesFile codes;
    private final String times;
    private final boolean resume;
    private boolean written;

    /** Is told how it goes. */
    public interface Listener {
        void block(int block, int blocks);

        void chosen(PlannedTensor tensor, Choice choice);
    }

    /**
     * Bytes of memory.
     *
     * @param forward for the arrays of each of the two forward passes
     * @param states for what is kept of a text between layers; what is more lies in a temporary file, which the system's
     *     page cache holds
     * @param experts for moments of experts that are gathered in one pass over the text
     */
    public record Room(long forward, long states, long experts) {
        public static final Room USUAL = new Room(Forward.DEFAULT_MEMORY / 2, 256L << 20, 1L << 30);
    }

    /**
     * @param damping part of the mean moment that is added to the moments' diagonal
     * @param sweeps passes of coordinate descent
     * @param resume whether to go on where an interrupted run stopped, and to keep what is done for that
     * @param tool the version
     * @param operations the file system
     * @param notices is told, in one line each, what became of an interrupted run
     */
    record Options(
            int threads,
            Room room,
            double damping,
            int sweeps,
            boolean resume,
            String tool,
            FileOperations operations,
            Consumer<String> notices,
            Listener listener) {
        /** Damping and sweeps as they did best on the bundled models; with 8 and 16 sweeps the codes are no nearer. */
        static Options of(Conversion.Options conversion, Room room, Listener listener) {
            return new Options(
                    conversion.threads(),
                    room,
                    0.03,
                    4,
                    conversion.resume() != Conversion.Resume.NEVER,
                    conversion.tool(),
                    conversion.operations(),
                    conversion.notices(),
                    listener);
        }
    }

    private CompensatedPlan(
            List<OutputPlan> plans, List<PlannedTensor> made, CodesFile codes, String times, boolean resume) {
        this.plans = plans;
        this.made = made;
        this.codes = codes;
        this.times = times;
        this.resume = resume;
    }

    /** With blocks in place of promises, in the order in which the plans were given. */
    public List<OutputPlan> plans() {
        return plans;
    }

    /** What became of each tensor whose codes were chosen together. */
    public Map<String, Choice> choices() {
        Map<String, Choice> choices = new LinkedHashMap<>();
        for (PlannedTensor tensor : made) {
            codes.note(tensor).flatMap(Choice::parse).ifPresent(choice -> choices.put(tensor.name(), choice));
        }
        return choices;
    }

    /** What the time went to, for people. */
    public String times() {
        return times;
    }

    /** @throws InputException when the text has fewer than {@link #LEAST_WINDOWS} windows */
    public static void requireEnough(Windows text) {
        if (text.count() < LEAST_WINDOWS) {
            throw InputException.of(
                            text.origin(),
                            "is too short to fit codes to: expected at least " + LEAST_WINDOWS + " windows of "
                                    + text.length() + " tokens, found " + text.count())
                    .withHint("use a longer text, or --calibrate-ctx for shorter windows");
        }
    }

    /** Whether a tensor's blocks are made here: it is quantized, and not merely copied. */
    static boolean isMade(PlannedTensor tensor) {
        return tensor.type().isQuantized()
                && !tensor.copied()
                && tensor.shape().rank() > 1
                && tensor.name().equals(tensor.source().info().name());
    }

    /**
     * @param plans all parts of one output
     * @param text at least {@link #LEAST_WINDOWS} windows
     * @param target of the first part
     * @throws InputException when the model cannot be evaluated
     */
    static CompensatedPlan of(
            EvaluatedModel model, List<OutputPlan> plans, Windows text, Path target, Inputs inputs, Options options) {
        requireEnough(text);
        List<PlannedTensor> made = plans.stream()
                .flatMap(plan -> plan.tensors().stream())
                .filter(CompensatedPlan::isMade)
                .toList();
        OutputFile file = OutputFile.create(
                target.resolveSibling(target.getFileName() + ".codes"),
                CodesFile.bytes(made),
                inputs.paths(),
                true,
                options.operations(),
                options.resume()
                        ? Optional.of(new OutputFile.Journaling(identity(plans, text, inputs, options), true, 1, 0))
                        : Optional.empty());
        if (!file.otherIdentities().isEmpty()) {
            options.notices()
                    .accept("note: " + target + ": starts over; the codes that an interrupted run kept were chosen from"
                            + " another source, with other options, another text or another version, and are removed");
        }
        CodesFile codes = CodesFile.open(file, made);
        try {
            if (codes.done() > 0) {
                options.notices()
                        .accept("note: " + target + ": goes on where an interrupted run stopped: " + codes.done()
                                + " of " + made.size() + " tensors are there");
            }
            String times = choose(model, made, text, target, inputs, codes, options);
            codes.settle();
            return new CompensatedPlan(
                    plans.stream().map(plan -> filled(plan, codes)).toList(), made, codes, times, options.resume());
        } catch (RuntimeException | Error e) {
            if (!options.resume() || e instanceof InputException) {
                codes.discard();
            }
            codes.close();
            codes.kept().ifPresent(kept -> options.notices().accept("note: " + kept));
            throw e;
        }
    }

    private static OutputPlan filled(OutputPlan plan, CodesFile codes) {
        List<PlannedTensor> tensors = new ArrayList<>();
        for (PlannedTensor tensor : plan.tensors()) {
            tensors.add(isMade(tensor) ? tensor.withBlocks(codes.source(tensor)) : tensor);
        }
        return new OutputPlan(plan.type(), plan.metadata(), tensors);
    }

    /** One line, the same for two runs exactly when one can go on where the other stopped. */
    private static String identity(List<OutputPlan> plans, Windows text, Inputs inputs, Options options) {
        ByteBuffer tokens = ByteBuffer.allocate(text.tokens().length * Integer.BYTES);
        tokens.asIntBuffer().put(text.tokens());
        String how = inputs.how() + " codes " + options.damping() + " " + options.sweeps() + " " + text.length() + " "
                + text.count() + " " + Sha256.of(tokens.array());
        Inputs all = new Inputs(inputs.paths(), inputs.read(), how);
        StringBuilder line = new StringBuilder();
        for (OutputPlan plan : plans) {
            line.append(line.isEmpty() ? "" : " ").append(Journal.identity(plan, plan.layout(), all, options.tool()));
        }
        return line.toString();
    }

    private static String choose(
            EvaluatedModel model,
            List<PlannedTensor> made,
            Windows text,
            Path target,
            Inputs files,
            CodesFile codes,
            Options options) {
        Model original = model.source().model();
        Map<String, Replaceable> now = new LinkedHashMap<>();
        TensorGraph graph = new TensorGraph();
        for (TensorSource tensor : original.tensors().sources()) {
            Replaceable replaceable = new Replaceable(tensor);
            now.put(tensor.info().name(), replaceable);
            graph.add(replaceable);
        }
        Model quantized = new Model(original.origin(), original.metadata(), graph, List.of());
        try (Forward before = model.forward(
                        text.length(), options.threads(), options.room().forward());
                Forward after = Forward.of(
                        quantized,
                        model.pass(),
                        text.length(),
                        options.threads(),
                        options.room().forward());
                Workers workers = new Workers(options.threads(), "codes");
                Arena arena = Arena.ofShared();
                OutputFile file = OutputFile.create(
                        target.resolveSibling(target.getFileName() + ".states"),
                        spilled(LayerInputs.bytes(text, before), options.room()),
                        files.paths(),
                        true,
                        options.operations())) {
            MemorySegment memory = memory(file, LayerInputs.bytes(text, before), options.room(), arena);
            LayerInputs inputs = new LayerInputs(before, after, text, memory);
            CompensatedModel compensation = new CompensatedModel(made, now, inputs, text, codes, options, workers);
            compensation.choose(before);
            return compensation.times().toString();
        }
    }

    private static long spilled(long bytes, Room room) {
        return bytes > room.states() ? bytes : 0;
    }

    private static MemorySegment memory(OutputFile file, long bytes, Room room, Arena arena) {
        if (spilled(bytes, room) == 0) {
            return arena.allocate(bytes, Long.BYTES);
        }
        file.write(ByteBuffer.wrap(new byte[1]), bytes - 1);
        try (FileChannel channel =
                FileChannel.open(file.temporary(), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
        } catch (IOException e) {
            throw OutputException.of(file.temporary(), "cannot be mapped", e);
        }
    }

    /** The outputs have the blocks: nobody needs them here any more. */
    public void written() {
        written = true;
    }

    /** Before the outputs are {@link #written}, blocks are left for the next run if it may go on with them. */
    @Override
    public void close() {
        if (written || !resume) {
            codes.discard();
        }
        codes.close();
    }
}
