package dev.quern.cli;

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

/** What convert and quantize share: show the plan, or carry it out and say what came of it. */
final class Execution {
    private Execution() {}

    static int run(
            Source source,
            List<Conversion.Output> outputs,
            Inputs inputs,
            RunOptions run,
            boolean dryRun,
            boolean json) {
        if (dryRun) {
            for (Conversion.Output output : outputs) {
                if (json) {
                    System.out.println(Json.pretty(PlanReport.map(output)));
                } else {
                    System.out.print(PlanReport.text(output, run.threads));
                }
            }
            return 0;
        }
        Talk talk = run.talk();
        Path manifest = run.manifest;
        if (manifest != null) {
            Manifest.check(manifest, outputs, inputs, run.force);
        }
        long begun = System.nanoTime();
        if (!run.noChecksums) {
            source.checksums().run();
        }
        List<Conversion.Written> written = Conversion.run(outputs, inputs, run.conversion(talk.progress("values")));
        if (manifest != null) {
            Manifest.write(manifest, written, run.force);
        }
        List<String> sums = run.sums ? Sha256Sums.write(written) : List.of();
        double seconds = (System.nanoTime() - begun) / 1e9;
        for (int i = 0; i < written.size(); i++) {
            Conversion.Written file = written.get(i);
            if (json) {
                Map<String, Object> result = new LinkedHashMap<>();
                result.put("file", file.file().toString());
                result.put("type", outputs.get(i).plan().type());
                result.put("bytes", file.bytes());
                result.put("bits_per_weight", outputs.get(i).plan().bitsPerWeight());
                if (run.sums) {
                    result.put("sha256", sums.get(i));
                }
                result.put("seconds", seconds);
                System.out.println(Json.line(result));
            }
            talk.say(String.format(
                    Locale.ROOT,
                    "%s: %s, %s, %.2f bits per weight",
                    file.file(),
                    outputs.get(i).plan().type(),
                    Talk.size(file.bytes()),
                    outputs.get(i).plan().bitsPerWeight()));
        }
        talk.say(String.format(Locale.ROOT, "%s read, %.1f s", source.kind(), seconds));
        return 0;
    }
}
