package dev.quern.cli;

import dev.quern.checkpoint.Checkpoints;
import dev.quern.checkpoint.FileSecurity;
import dev.quern.checkpoint.WeightFile;
import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.report.Json;
import dev.quern.report.Table;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "inspect",
        description =
                "Says what a checkpoint or GGUF file is: architecture, sizes, metadata, what each type would cost.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class InspectCommand implements Callable<Integer> {
    private static final int SHOWN_ELEMENTS = 6;
    private static final int SHOWN_TEXT = 100;

    @Parameters(paramLabel = "FILE|DIR", description = "A GGUF file or a checkpoint.")
    @SuppressWarnings("NullAway.Init")
    Path path;

    @Option(names = "--tensors", description = "List every tensor with its shape and type.")
    boolean tensors;

    @Option(names = "--json", description = "Print JSON on stdout; arrays in full.")
    boolean json;

    @Option(
            names = "--security",
            description = "Say what each weight file could do and whether it is whole, without converting: a pickle's "
                    + "GLOBALs and opcodes, what Quern refuses, checksums. Exit code 3 when something is refused.")
    boolean security;

    @Override
    public Integer call() {
        if (security) {
            List<FileSecurity> files =
                    FileSecurity.of(path, gguf -> GgufFile.openPart(gguf).close());
            return SecurityText.print(files, json) ? 0 : 3;
        }
        if (WeightFile.isAlone(path)) {
            System.out.print(WeightsText.file(path, tensors, json));
            return 0;
        }
        if (Checkpoints.isAdapter(path)) {
            System.out.print(WeightsText.adapter(path, tensors, json));
            return 0;
        }
        List<String> notes = new ArrayList<>();
        try (Source source = Source.open(path, new Source.Options(null, null, List.of(), notes::add))) {
            if (json) {
                System.out.println(Json.pretty(map(source, notes)));
            } else {
                System.out.print(text(source, notes));
            }
        }
        return 0;
    }

    private static Map<String, Object> entry(TensorInfo info, @Nullable Object type) {
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("name", info.name());
        entry.put("shape", info.shape().dims());
        entry.put("type", String.valueOf(type));
        return entry;
    }

    private String text(Source source, List<String> notes) {
        StringBuilder out = new StringBuilder();
        GgufMetadata metadata = source.model().metadata();
        out.append(String.format(
                Locale.ROOT,
                "%s: %s, architecture %s, %d tensors, %d parameters, %s%n%n",
                path,
                source.kind(),
                metadata.architecture(),
                source.types().size(),
                parameters(source),
                stored(source)));
        int width = metadata.asMap().keySet().stream()
                .mapToInt(String::length)
                .max()
                .orElse(0);
        metadata.asMap()
                .forEach((key, value) ->
                        out.append(String.format("%-" + Math.max(1, width) + "s  %s%n", printable(key), shown(value))));
        notes.forEach(note -> out.append(String.format("%nnote: %s", Quoted.plain(note))));
        out.append(notes.isEmpty() ? "" : System.lineSeparator()).append(System.lineSeparator());
        if (tensors) {
            Table table = new Table("tensor", "shape", "type");
            for (TensorSource tensor : source.model().tensors().sources()) {
                TensorInfo info = tensor.info();
                table.add(
                        printable(info.name()),
                        info.shape().toString(),
                        String.valueOf(source.types().get(info.name())));
            }
            out.append(table.text()).append(System.lineSeparator());
        }
        Table costs = new Table("type", "bits per weight", "bytes", "size");
        for (Cost cost : costs(source)) {
            costs.add(
                    cost.type().name(),
                    String.format(Locale.ROOT, "%.2f", cost.bitsPerWeight()),
                    Long.toString(cost.bytes()),
                    Talk.size(cost.bytes()));
        }
        return out.append(costs.text()).toString();
    }

    private Map<String, Object> map(Source source, List<String> notes) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("path", path.toString());
        map.put("kind", source.kind());
        map.put("architecture", source.model().metadata().architecture());
        map.put("parameters", parameters(source));
        Map<String, Object> metadata = new LinkedHashMap<>();
        source.model().metadata().asMap().forEach((key, value) -> metadata.put(key, plain(value)));
        map.put("metadata", metadata);
        List<Map<String, Object>> list = new ArrayList<>();
        for (TensorSource tensor : source.model().tensors().sources()) {
            list.add(entry(tensor.info(), source.types().get(tensor.info().name())));
        }
        map.put("tensors", list);
        Map<String, Object> costs = new LinkedHashMap<>();
        for (Cost cost : costs(source)) {
            costs.put(cost.type().name(), Map.of("bytes", cost.bytes(), "bits_per_weight", cost.bitsPerWeight()));
        }
        map.put("costs", costs);
        map.put("notes", notes);
        return map;
    }

    private static long parameters(Source source) {
        return source.model().tensors().sources().stream()
                .mapToLong(tensor -> tensor.info().shape().elements())
                .sum();
    }

    /** Which types the tensors have, the most frequent first: "29 F16, 9 F32". */
    private static String stored(Source source) {
        Map<String, Long> counts = source.types().values().stream()
                .collect(Collectors.groupingBy(Enum::name, LinkedHashMap::new, Collectors.counting()));
        return counts.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .map(entry -> entry.getValue() + " " + entry.getKey())
                .collect(Collectors.joining(", "));
    }

    private record Cost(FileType type, long bytes, double bitsPerWeight) {}

    /** Types that cannot be made of this source (rows that do not divide) are left out. */
    private static List<Cost> costs(Source source) {
        Quantization quantization = Quantization.of(source, QuantizationOptions.forSizes());
        return Arrays.stream(FileType.values())
                .flatMap(type -> cost(quantization, type).stream())
                .sorted(Comparator.comparingLong(Cost::bytes))
                .toList();
    }

    private static Optional<Cost> cost(Quantization quantization, FileType type) {
        try {
            OutputPlan plan = quantization.plan(type);
            return Optional.of(new Cost(type, plan.layout().fileSize(), plan.bitsPerWeight()));
        } catch (InputException e) {
            return Optional.empty();
        }
    }

    private static String printable(String text) {
        String quoted = Quoted.of(text);
        return quoted.substring(1, quoted.length() - 1);
    }

    private static String shown(GgufValue value) {
        return switch (value) {
            case GgufValue.Int number -> Long.toString(number.value());
            case GgufValue.Real number -> number(number);
            case GgufValue.Bool bool -> Boolean.toString(bool.value());
            case GgufValue.Text text -> {
                String quoted = Quoted.of(text.text());
                yield quoted.length() > SHOWN_TEXT
                        ? quoted.substring(0, SHOWN_TEXT) + "… (" + text.utf8().length + " bytes)"
                        : quoted;
            }
            case GgufValue.Array array ->
                IntStream.range(0, Math.min(SHOWN_ELEMENTS, array.size()))
                                .mapToObj(i -> element(array, i))
                                .collect(Collectors.joining(", ", "[", array.size() > SHOWN_ELEMENTS ? ", …]" : "]"))
                        + (array.size() > SHOWN_ELEMENTS ? " (" + array.size() + " " + array.element() + ")" : "");
        };
    }

    private static String number(GgufValue.Real number) {
        return number.type() == dev.quern.gguf.GgufType.FLOAT32
                ? Float.toString((float) number.value())
                : Double.toString(number.value());
    }

    private static String element(GgufValue.Array array, int index) {
        return switch (array) {
            case GgufValue.Ints ints -> Long.toString(ints.values()[index]);
            case GgufValue.Floats floats -> Float.toString(floats.values()[index]);
            case GgufValue.Doubles doubles -> Double.toString(doubles.values()[index]);
            case GgufValue.Texts texts -> Quoted.of(texts.text(index));
        };
    }

    private static Object plain(GgufValue value) {
        return switch (value) {
            case GgufValue.Int number -> number.value();
            case GgufValue.Real number -> number.value();
            case GgufValue.Bool bool -> bool.value();
            case GgufValue.Text text -> text.text();
            case GgufValue.Ints ints -> LongStream.of(ints.values()).boxed().toList();
            case GgufValue.Floats floats ->
                IntStream.range(0, floats.size())
                        .mapToObj(i -> floats.values()[i])
                        .toList();
            case GgufValue.Doubles doubles ->
                Arrays.stream(doubles.values()).boxed().toList();
            case GgufValue.Texts texts ->
                IntStream.range(0, texts.size()).mapToObj(texts::text).toList();
        };
    }
}
