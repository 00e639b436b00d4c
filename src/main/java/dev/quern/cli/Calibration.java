package dev.quern.cli;

import dev.quern.evaluation.Text;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.EvaluatedModel;
import java.nio.file.Path;

final class Calibration {
    private Calibration() {}

    static void collect(EvaluatedModel model, Text text, int context, int chunks, int threads, Path target) {
        throw new RefusedException(target, "collecting is not there", "merge it");
    }
}
