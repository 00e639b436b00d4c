package dev.quern.cli;

import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Modelfile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The Ollama Modelfiles beside outputs: the output's name, with .Modelfile at its end. */
record Modelfiles(RunOptions run) {
    /**
     * What would be in the way is found before the long work.
     *
     * @throws RefusedException when one exists (without {@code --force})
     */
    void check(List<Conversion.Output> outputs) {
        for (Conversion.Output output : outputs) {
            Path path = beside(output.target());
            if (Files.exists(path) && !run.force) {
                throw new RefusedException(path, "exists", "--force replaces it");
            }
        }
    }

    void write(List<Conversion.Written> outputs) {
        outputs.forEach(this::write);
    }

    private void write(Conversion.Written output) {
        Modelfile made = Modelfile.of(
                output.plan().metadata(), String.valueOf(output.file().getFileName()));
        Path path = beside(output.file());
        OutputFile.write(path, made.text(), List.of(output.file()), run.force);
        run.talk().say(path + ": for ollama create");
        made.leftOut().forEach(line -> run.talk().say("note: left out: " + line));
    }

    private static Path beside(Path target) {
        String name = String.valueOf(target.getFileName());
        return target.resolveSibling(name.replaceFirst("(?i)\\.gguf$", "") + ".Modelfile");
    }
}
