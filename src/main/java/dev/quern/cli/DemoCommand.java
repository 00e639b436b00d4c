package dev.quern.cli;

import dev.quern.evaluation.Perplexity;
import dev.quern.evaluation.Text;
import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.report.Json;
import dev.quern.report.Table;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "demo",
        description =
                "The whole job on the bundled model: read both of its layouts, quantize, judge, and show a table.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class DemoCommand implements Callable<Integer> {
    private static final List<FileType> TYPES = List.of(FileType.F16, FileType.Q8_0, FileType.Q5_1, FileType.Q4_0);

    @Option(
            names = {"-o", "--outdir"},
            paramLabel = "DIR",
            description = "Where the files go (default: ${DEFAULT-VALUE}).")
    Path directory = Path.of("quern-demo");

    @Option(
            names = "--chunks",
            paramLabel = "N",
            description = "Windows of text to judge by, of 178 (default: ${DEFAULT-VALUE}; -1: all).")
    int chunks = 40;

    @Option(names = "--threads", paramLabel = "N", description = "Worker threads (default: all cores).")
    int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--quiet", description = "Say nothing but the table and errors.")
    boolean quiet;

    /** One line of the table. */
    private record Row(
            String layout,
            String type,
            double bitsPerWeight,
            long bytes,
            double perplexity,
            double error,
            double seconds) {}

    @Override
    public Integer call() {
        Path data = bundled();
        Text text = Text.read(data.resolve("text/heldout.txt"));
        Talk talk = new Talk(quiet);
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        List<Row> rows = new ArrayList<>();
        for (String name : List.of("tolstoy-4m", "tolstoy-4m-meta")) {
            rows.addAll(rows(data.resolve("models").resolve(name), text, talk));
        }
        Table table = table(rows);
        System.out.print(table.text());
        put("demo.md", table.markdown());
        put("demo.json", Json.pretty(maps(rows)) + "\n");
        talk.say("files, demo.json and demo.md: " + directory);
        return 0;
    }

    private List<Row> rows(Path checkpoint, Text text, Talk talk) {
        List<Row> rows = new ArrayList<>();
        try (Source source = Source.open(checkpoint)) {
            List<Conversion.Output> outputs = new ArrayList<>();
            for (FileType type : TYPES) {
                OutputPlan plan = CheckpointTypes.isDirect(type)
                        ? CheckpointTypes.plan(source, type)
                        : Quantization.plan(source, type, QuantizationOptions.NONE);
                outputs.add(new Conversion.Output(
                        plan, directory.resolve(checkpoint.getFileName() + "-" + type.name() + ".gguf")));
            }
            RunOptions run = new RunOptions();
            run.threads = threads;
            run.force = true;
            long begun = System.nanoTime();
            List<Conversion.Written> written =
                    Conversion.run(outputs, Inputs.of(source.model(), List.of(), ""), run.conversion(Progress.SILENT));
            double seconds = (System.nanoTime() - begun) / 1e9;
            talk.say(String.format(
                    Locale.ROOT,
                    "%s (%s): %d types in one pass, %.1f s",
                    checkpoint.getFileName(),
                    source.kind(),
                    TYPES.size(),
                    seconds));
            for (int i = 0; i < written.size(); i++) {
                rows.add(judge(source.kind(), outputs.get(i).plan(), written.get(i), text, talk));
            }
        }
        return rows;
    }

    private Row judge(String layout, OutputPlan plan, Conversion.Written written, Text text, Talk talk) {
        try (Source source = Source.open(written.file())) {
            Progress progress = talk.progress("windows");
            Evaluation.Measured measured =
                    Evaluation.perplexity(EvaluatedModel.of(source), text, 512, 0, chunks, threads, windows(progress));
            progress.end();
            return new Row(
                    layout,
                    plan.type(),
                    plan.bitsPerWeight(),
                    written.bytes(),
                    measured.result().perplexity(),
                    measured.result().error(),
                    measured.result().seconds());
        }
    }

    /** Begins the bar when the number of windows is known, which is with the first of them. */
    private static Perplexity.Listener windows(Progress progress) {
        return done -> {
            if (done.windowsDone() == 1) {
                progress.begin("perplexity", done.windows());
            }
            progress.advance(1);
        };
    }

    private static Table table(List<Row> rows) {
        Table table = new Table("source", "type", "bits/weight", "size", "perplexity", "+/-", "against F16", "seconds");
        double base = rows.getFirst().perplexity();
        for (Row row : rows) {
            if (row.type().equals("F16")) {
                base = row.perplexity();
            }
            table.add(
                    row.layout(),
                    row.type(),
                    String.format(Locale.ROOT, "%.2f", row.bitsPerWeight()),
                    String.format(Locale.ROOT, "%.2f MB", row.bytes() / 1e6),
                    String.format(Locale.ROOT, "%.4f", row.perplexity()),
                    String.format(Locale.ROOT, "%.4f", row.error()),
                    row.type().equals("F16")
                            ? "-"
                            : String.format(Locale.ROOT, "%+.2f %%", 100 * (row.perplexity() / base - 1)),
                    String.format(Locale.ROOT, "%.1f", row.seconds()));
        }
        return table;
    }

    private static Map<String, Object> maps(List<Row> rows) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("version", Version.text());
        List<Map<String, Object>> list = new ArrayList<>();
        double base = rows.getFirst().perplexity();
        for (Row row : rows) {
            if (row.type().equals("F16")) {
                base = row.perplexity();
            }
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("source", row.layout());
            entry.put("type", row.type());
            entry.put("bits_per_weight", row.bitsPerWeight());
            entry.put("bytes", row.bytes());
            entry.put("perplexity", row.perplexity());
            entry.put("error", row.error());
            entry.put("ratio_to_f16", row.perplexity() / base);
            entry.put("evaluation_seconds", row.seconds());
            list.add(entry);
        }
        map.put("results", list);
        return map;
    }

    private void put(String name, String content) {
        OutputFile.write(directory.resolve(name), content, List.of(), true);
    }

    /** The launcher says where Quern is installed; the model and the text lie there. */
    private static Path bundled() {
        Path data = Path.of(System.getProperty("quern.home", ".")).resolve("test-data");
        if (!Files.isDirectory(data)) {
            throw InputException.of(data, "the bundled model is not there")
                    .withHint("start Quern with scripts/quern from a clone of the project");
        }
        return data;
    }
}
