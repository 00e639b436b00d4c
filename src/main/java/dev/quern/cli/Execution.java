package dev.quern.cli;

import dev.quern.io.OutputFile;
import dev.quern.io.Sha256;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.Source;
import dev.quern.report.Json;
import dev.quern.report.PlanReport;
import dev.quern.verification.Manifest;
import dev.quern.verification.Sha256Sums;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What convert and quantize share: show the plan, or carry it out, hold what was made against its gates, write what is
 * wanted beside it, and say what came of it.
 *
 * @param outputs as they are planned, without keys of their provenance
 * @param made what is read and asked for
 * @param allocation what JSON says of types that were chosen for a size; empty where none were
 */
record Execution(
        Source source,
        List<Conversion.Output> outputs,
        Inputs inputs,
        ProvenanceOptions provenance,
        ProvenanceOptions.Made made,
        GateOptions gates,
        Compensating compensating,
        RunOptions run,
        Map<String, Object> allocation) {

    /** @param written the outputs that are in place now */
    record Done(int code, List<Conversion.Written> written) {}

    Done plan(boolean json) {
        List<Conversion.Output> planned = provenance.provenance ? provenance.into(outputs, provenances(true)) : outputs;
        for (Conversion.Output output : planned) {
            if (json) {
                Map<String, Object> map = PlanReport.map(output);
                if (!allocation.isEmpty()) {
                    map.put("allocation", allocation);
                }
                System.out.println(Json.pretty(map));
            } else {
                System.out.print(PlanReport.text(output, run.threads));
            }
        }
        compensating.plan(planned);
        OutputGates judge = new OutputGates(gates, planned, threads(), run.talk());
        judge.prepare(source);
        judge.possible();
        if (!json) {
            judge.print(true);
        }
        sayOfRunners();
        return new Done(code(judge), List.of());
    }

    private void sayOfRunners() {
        source.runners().ifPresent(line -> run.talk().say("note: " + line));
    }

    private int threads() {
        return Math.max(1, run.threads);
    }

    private ProvenanceOptions.OfType provenances(boolean planned) {
        return provenance.digested(made, threads(), run.talk(), planned);
    }

    private static int code(OutputGates judge) {
        return judge.passed() ? 0 : Quern.DIFFERENCE;
    }

    /**
     * What can be known before hours are spent on a calibration: refuses what would be refused after it.
     *
     * @param sized whether the outputs have the sizes that they will have
     * @return the end of it all, where no output is small enough for its gates
     */
    Optional<Done> beforehand(boolean sized, boolean json) {
        outputs.forEach(output -> OutputFile.check(output.target(), inputs.paths(), run.force));
        if (run.manifest != null) {
            Manifest.check(run.manifest, outputs, inputs, run.force);
        }
        provenance.check(outputs, inputs, run.force);
        OutputGates judge = new OutputGates(gates, outputs, threads(), run.talk());
        return sized && !outputs.isEmpty() && judge.possible().isEmpty()
                ? Optional.of(carryOut(json))
                : Optional.empty();
    }

    Done carryOut(boolean json) {
        Path manifest = run.manifest;
        if (manifest != null) {
            Manifest.check(manifest, outputs, inputs, run.force);
        }
        provenance.check(outputs, inputs, run.force);
        long begun = System.nanoTime();
        if (!run.noChecksums) {
            source.checksums().run();
        }
        boolean stated = provenance.any();
        ProvenanceOptions.OfType provenances = provenances(!stated);
        OutputGates judge = new OutputGates(gates, provenance.into(outputs, provenances), threads(), run.talk());
        judge.prepare(source);
        List<Conversion.Output> possible = judge.possible();
        List<Conversion.Written> written = possible.isEmpty()
                ? List.of()
                : compensating.run(
                        source,
                        possible,
                        inputs,
                        run.conversion(run.talk().progress("values")).with(judge));
        if (manifest != null && !written.isEmpty()) {
            Manifest.write(manifest, written, run.force);
        }
        List<String> sums = run.sums || provenance.attestation != null || provenance.bom != null
                ? written.stream().map(file -> Sha256.ofFile(file.file())).toList()
                : List.of();
        if (run.sums) {
            Sha256Sums.write(written, sums);
        }
        if (!sums.isEmpty()) {
            provenance.state(
                    made,
                    provenances,
                    written,
                    sums,
                    written.stream().map(file -> judge.figures(file.plan())).toList(),
                    run.force,
                    run.talk());
        }
        double seconds = (System.nanoTime() - begun) / 1e9;
        for (int i = 0; i < written.size(); i++) {
            say(written.get(i), sums.isEmpty() ? null : sums.get(i), judge, seconds, json);
        }
        if (json) {
            judge.failures().forEach(failure -> System.out.println(Json.line(failure)));
        } else {
            judge.print(false);
        }
        run.talk().say(String.format(Locale.ROOT, "made from a %s, %.1f s", source.kind(), seconds));
        if (!written.isEmpty()) {
            sayOfRunners();
        }
        return new Done(code(judge), written);
    }

    private void say(
            Conversion.Written file,
            @org.jspecify.annotations.Nullable String sum,
            OutputGates judge,
            double seconds,
            boolean json) {
        if (json) {
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("file", file.file().toString());
            result.put("type", file.plan().type());
            result.put("bytes", file.bytes());
            result.put("bits_per_weight", file.plan().bitsPerWeight());
            if (sum != null) {
                result.put("sha256", sum);
            }
            compensating.choices(file.file()).ifPresent(choices -> result.put("codes_chosen_together", choices));
            if (!gates.gates().isEmpty()) {
                result.put("gates", judge.gates(file.plan()));
            }
            if (!allocation.isEmpty()) {
                result.put("allocation", allocation);
            }
            result.put("seconds", seconds);
            System.out.println(Json.line(result));
        }
        // A first part may have all the metadata and no tensors.
        String weights = file.plan().parameters() == 0
                ? "no tensors"
                : String.format(Locale.ROOT, "%.2f bits per weight", file.plan().bitsPerWeight());
        run.talk().say(file.file() + ": " + file.plan().type() + ", " + Talk.size(file.bytes()) + ", " + weights);
    }
}
