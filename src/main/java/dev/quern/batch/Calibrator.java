package dev.quern.batch;

import dev.quern.evaluation.Text;
import dev.quern.pipeline.EvaluatedModel;
import java.nio.file.Path;

/** Collects an importance matrix from a text. */
@FunctionalInterface
public interface Calibrator {
    /**
     * @param chunks windows at most
     * @param target the file to write or replace
     */
    void collect(EvaluatedModel model, Text text, int context, int chunks, int threads, Path target);
}
