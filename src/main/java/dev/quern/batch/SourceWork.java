package dev.quern.batch;

import dev.quern.io.RefusedException;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Source;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What the steps of one source share: what is wanted of it, how, and what earlier runs have done.
 *
 * @param outputs those of the recipe that are selected
 * @param threads for this source
 */
record SourceWork(
        Recipe recipe,
        Recipe.Input input,
        List<Recipe.Output> outputs,
        RunRecord record,
        Batch.Options options,
        Batch.Listener listener,
        int threads) {

    /** Says a line under the source's name. */
    void say(String line) {
        listener.say(input.name() + ": " + line);
    }

    Progress progress(String unit) {
        return listener.progress(unit);
    }

    /** @throws dev.quern.io.InputException when it cannot be read */
    Source open() {
        return Source.open(input.path(), new Source.Options(null, null, List.of(), this::say));
    }

    Path target(Recipe.Output output) {
        return recipe.target(input, output);
    }

    /** What no earlier run of a recipe has made is somebody's own file. */
    void refuseForeign(Path target) {
        if (Files.exists(target) && !record.isOwn(target) && !options.force()) {
            throw new RefusedException(
                    target, "exists, and no earlier run made it", "move it away, or replace it with --force");
        }
    }

    static double secondsSince(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1e9;
    }
}
