package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.compensation.Choice;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.FileOperations;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/** Runs of small models whose codes are chosen together, and what they tell. */
final class CompensatedRun {
    static final int CONTEXT = 16;
    static final int WINDOWS = 24;
    private static final String TOOL = "0.0 (commit test)";

    private CompensatedRun() {}

    /** What a run told. */
    static final class Told implements CompensatedConversion.Observer, CompensatedPlan.Listener {
        final List<String> notices = new ArrayList<>();
        final Map<String, Choice> chosen = new LinkedHashMap<>();
        boolean complete;
        private int most = Integer.MAX_VALUE;

        /** Fails when so many tensors have been chosen. */
        static Told until(int most) {
            Told told = new Told();
            told.most = most;
            return told;
        }

        @Override
        public void block(int block, int blocks) {
            assertThat(block).isBetween(0, blocks - 1);
        }

        @Override
        public void chosen(PlannedTensor tensor, Choice choice) {
            if (chosen.size() == most) {
                throw new IllegalStateException("enough");
            }
            chosen.put(tensor.name(), choice);
            if (most < Integer.MAX_VALUE) {
                // Time for a checkpoint, as the choosing of a real model's next tensor takes.
                LockSupport.parkNanos(50_000_000);
            }
        }

        @Override
        public CompensatedPlan.Listener listener(Path target) {
            return this;
        }

        @Override
        public void chosen(Path target, CompensatedPlan plan) {
            assertThat(plan.choices().keySet()).containsAll(chosen.keySet());
            complete = true;
        }
    }

    static Path model(String family, Path folder) throws Exception {
        return FamiliesTest.convert(Family.of(family).write(folder), FileType.F16, folder);
    }

    static Windows text(EvaluatedModel model, int skip) {
        byte[] bytes = Text.read(Path.of("test-data/text/calibration.txt")).bytes();
        int[] tokens = model.tokenizer().encode(Arrays.copyOfRange(bytes, skip, skip + 20 * CONTEXT * WINDOWS), true);
        return Windows.halves("text", tokens, model.beginning(), CONTEXT, WINDOWS);
    }

    static Conversion.Options options(int threads, Conversion.Resume resume, Told told) {
        return new Conversion.Options(threads, Kernel.SIMD, false, false, Progress.SILENT)
                .with(FileOperations.UNFORCED)
                .with(resume, TOOL, told.notices::add);
    }

    static Path run(Path in, FileType type, Path out, Conversion.Options options, Told told) {
        try (EvaluatedModel model = EvaluatedModel.open(in)) {
            run(model, text(model, 0), type, out, options, told);
        }
        return out;
    }

    static void run(
            EvaluatedModel model, Windows text, FileType type, Path out, Conversion.Options options, Told told) {
        OutputPlan plan = Quantization.plan(model.source(), type, QuantizationOptions.NONE);
        List<Conversion.Written> written = CompensatedConversion.run(
                model,
                text,
                List.of(new Conversion.Output(plan, out)),
                output -> true,
                Inputs.of(model.source().model(), List.of(), ""),
                options,
                CompensatedPlan.Room.USUAL,
                told);
        assertThat(written).singleElement().satisfies(file -> {
            assertThat(file.file()).isEqualTo(out);
            assertThat(file.plan()).isSameAs(plan);
        });
    }

    static Path reference(Path in, FileType type, Path out) {
        try (Source source = Source.open(in)) {
            Conversion.run(
                    List.of(new Conversion.Output(Quantization.plan(source, type, QuantizationOptions.NONE), out)),
                    source.model().paths(),
                    new Conversion.Options(1, Kernel.SIMD, false, false, Progress.SILENT));
        }
        return out;
    }
}
