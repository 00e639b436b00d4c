package dev.quern.cli;

import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.Provenance;
import dev.quern.pipeline.Provenance.Digested;
import dev.quern.report.CycloneDxBom;
import dev.quern.report.InTotoStatement;
import dev.quern.report.Lineage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What is said of where outputs come from, in them and beside them. */
final class ProvenanceOptions {
    @Option(
            names = "--provenance",
            description =
                    "Write quern.* keys into the outputs: version, options, names and SHA-256 of every file that was"
                            + " read. No date, user, host or path: equal inputs give equal bytes anywhere. Without it a"
                            + " file is byte for byte what llama.cpp's tools make.")
    boolean provenance;

    @Option(
            names = "--attestation",
            paramLabel = "FILE",
            description = "Write where the outputs come from as an unsigned in-toto statement with SLSA provenance, for"
                    + " cosign and the like to sign.")
    @Nullable
    Path attestation;

    @Option(
            names = "--bom",
            paramLabel = "FILE",
            description = "Write where the outputs come from as a bill of materials (CycloneDX 1.6, JSON).")
    @Nullable
    Path bom;

    /**
     * What a command reads and is asked for, besides the types.
     *
     * @param sources every file that decides values, metadata or vocabulary, besides an importance matrix
     * @param options what changes bytes
     */
    record Made(
            String command,
            List<Path> sources,
            SequencedMap<String, String> options,
            Optional<Path> importance,
            Optional<Path> calibration) {}

    boolean any() {
        return provenance || attestation != null || bom != null;
    }

    private List<Path> files() {
        return Stream.of(Optional.ofNullable(attestation), Optional.ofNullable(bom))
                .flatMap(Optional::stream)
                .toList();
    }

    /**
     * Refuses before a conversion what would be refused after it.
     *
     * @throws RefusedException when a statement is one of the inputs or outputs, or exists (without {@code force})
     */
    void check(List<Conversion.Output> outputs, Inputs inputs, boolean force) {
        List<Path> taken =
                new ArrayList<>(outputs.stream().map(Conversion.Output::target).toList());
        for (Path file : files()) {
            Path wanted = file.toAbsolutePath().normalize();
            if (taken.stream()
                    .anyMatch(other -> other.toAbsolutePath().normalize().equals(wanted))) {
                throw new RefusedException(file, "is another output", "give it a name of its own");
            }
            taken.add(file);
            OutputFile.create(file, 0, inputs.paths(), force).close();
        }
    }

    /** For one file type, or for each of several. */
    interface OfType {
        Provenance of(String type);
    }

    /**
     * Reads what was read once more, for its hashes.
     *
     * @param planned whether the hashes shall not be taken but stand for themselves: sizes are the same
     */
    OfType digested(Made made, int threads, Talk talk, boolean planned) {
        List<Path> files = new ArrayList<>(made.sources());
        made.importance().ifPresent(files::add);
        made.calibration().ifPresent(files::add);
        List<Digested> digested = planned
                ? Provenance.unread(files)
                : Provenance.digest(files, Math.max(1, threads), talk.progress("bytes"));
        List<Digested> sources = digested.subList(0, made.sources().size()).stream()
                .sorted(Digested.ORDER)
                .distinct()
                .toList();
        Optional<Digested> importance = made.importance().map(file -> digested.get(files.indexOf(file)));
        Optional<Digested> calibration = made.calibration().map(file -> digested.get(files.lastIndexOf(file)));
        return type -> {
            SequencedMap<String, String> options = new LinkedHashMap<>();
            options.put("type", type);
            options.putAll(made.options());
            return new Provenance(Version.text(), sources, options, importance, calibration);
        };
    }

    /** The outputs with the keys in them, where they are wanted. */
    List<Conversion.Output> into(List<Conversion.Output> outputs, OfType provenances) {
        return provenance
                ? outputs.stream()
                        .map(output -> new Conversion.Output(
                                provenances.of(output.plan().type()).into(output.plan()), output.target()))
                        .toList()
                : outputs;
    }

    /**
     * Writes the statements about outputs that are in place.
     *
     * @param sums the outputs' SHA-256
     * @param figures what was measured of each
     */
    void state(
            Made made,
            OfType provenances,
            List<Conversion.Written> written,
            List<String> sums,
            List<List<Lineage.Figure>> figures,
            boolean force,
            Talk talk) {
        if (written.isEmpty()) {
            return;
        }
        List<Lineage.Output> outputs = new ArrayList<>();
        for (int i = 0; i < written.size(); i++) {
            Conversion.Written file = written.get(i);
            String type = file.plan().type();
            outputs.add(new Lineage.Output(
                    new Digested(String.valueOf(file.file().getFileName()), file.bytes(), sums.get(i)),
                    type,
                    provenances.of(type),
                    figures.get(i)));
        }
        Lineage lineage = new Lineage(
                Version.text(),
                made.command(),
                Lineage.Model.of(written.getFirst().plan().metadata()),
                outputs);
        List<Path> others = written.stream().map(Conversion.Written::file).toList();
        if (attestation != null) {
            OutputFile.write(attestation, InTotoStatement.json(lineage), others, force);
            talk.say(attestation + ": in-toto statement, unsigned");
        }
        if (bom != null) {
            OutputFile.write(bom, CycloneDxBom.json(lineage), others, force);
            talk.say(bom + ": bill of materials");
        }
    }
}
