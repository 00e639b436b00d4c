package dev.quern.cli;

import dev.quern.checkpoint.WeightFile;
import dev.quern.checkpoint.lora.LoraAdapter;
import dev.quern.io.Quoted;
import dev.quern.report.Json;
import dev.quern.report.Table;
import dev.quern.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** What {@code quern inspect} says of weights that are no model by themselves: a file without configuration, an adapter. */
final class WeightsText {
    private WeightsText() {}

    static String file(Path path, boolean tensors, boolean json) {
        WeightFile file = WeightFile.read(path);
        if (json) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("path", path.toString());
            map.put("kind", file.kind());
            map.put("parameters", file.parameters());
            map.put("tensors", file.tensors().stream().map(WeightsText::map).toList());
            map.put("unreadable", new TreeMap<>(file.unreadable()));
            map.put("notes", file.notes());
            return Json.pretty(map) + System.lineSeparator();
        }
        StringBuilder out = new StringBuilder();
        line(
                out,
                path + ": " + Quoted.plain(file.kind()) + ", " + file.tensors().size() + " tensors, "
                        + file.parameters() + " parameters, " + types(file.tensors())
                        + "; no config.json beside it, so what model it is of is not known");
        file.unreadable()
                .forEach((name, type) ->
                        line(out, "not readable: " + Quoted.of(name) + " of type " + Quoted.plain(type)));
        file.notes().forEach(note -> line(out, "note: " + Quoted.plain(note)));
        return out.append(tensors ? System.lineSeparator() + table(file.tensors()) : "")
                .toString();
    }

    static String adapter(Path directory, boolean tensors, boolean json) {
        try (LoraAdapter adapter = LoraAdapter.open(directory)) {
            TreeSet<Long> ranks = new TreeSet<>();
            adapter.updates().values().forEach(update -> ranks.add(update.rank()));
            String base = adapter.config().text("base_model_name_or_path").orElse("");
            List<TensorInfo> replaced = adapter.replaced().values().stream()
                    .map(source -> source.info())
                    .toList();
            if (json) {
                Map<String, Object> map = new LinkedHashMap<>();
                map.put("path", directory.toString());
                map.put("kind", "LoRA adapter");
                map.put("base", base);
                map.put(
                        "updates",
                        adapter.updates().entrySet().stream()
                                .map(WeightsText::map)
                                .toList());
                map.put("replaced", replaced.stream().map(WeightsText::map).toList());
                return Json.pretty(map) + System.lineSeparator();
            }
            StringBuilder out = new StringBuilder();
            line(
                    out,
                    directory + ": LoRA adapter, " + adapter.updates().size() + " weights, rank "
                            + ranks.stream().map(String::valueOf).collect(Collectors.joining(", "))
                            + (replaced.isEmpty() ? "" : ", " + replaced.size() + " tensors replaced whole")
                            + (base.isEmpty() ? "" : ", made for " + Quoted.of(base)));
            line(out, "quern convert BASE --lora ADAPTER merges it; quern convert ADAPTER --base BASE makes it a GGUF");
            if (tensors) {
                Table table = new Table("weight", "A", "B", "scale");
                adapter.updates()
                        .forEach((name, update) -> table.add(
                                Quoted.plain(name),
                                update.a().info().shape().toString(),
                                update.b().info().shape().toString(),
                                Float.toString(update.scale())));
                line(out, "");
                out.append(table.text());
            }
            return out.toString();
        }
    }

    private static void line(StringBuilder out, String text) {
        out.append(text).append(System.lineSeparator());
    }

    /** The types, the most frequent first: "29 F16, 9 F32". */
    private static String types(List<TensorInfo> tensors) {
        Map<String, Long> counts = tensors.stream()
                .collect(Collectors.groupingBy(
                        tensor -> tensor.dtype().name(), LinkedHashMap::new, Collectors.counting()));
        return counts.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .map(entry -> entry.getValue() + " " + entry.getKey())
                .collect(Collectors.joining(", "));
    }

    private static String table(List<TensorInfo> tensors) {
        Table table = new Table("tensor", "shape", "type");
        tensors.forEach(tensor -> table.add(
                Quoted.plain(tensor.name()),
                tensor.shape().toString(),
                tensor.dtype().name()));
        return table.text();
    }

    private static Map<String, Object> map(TensorInfo tensor) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", tensor.name());
        map.put("shape", tensor.shape().dims());
        map.put("type", tensor.dtype().name());
        return map;
    }

    private static Map<String, Object> map(Map.Entry<String, LoraAdapter.Update> entry) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("weight", entry.getKey());
        map.put("a", entry.getValue().a().info().shape().dims());
        map.put("b", entry.getValue().b().info().shape().dims());
        map.put("scale", entry.getValue().scale());
        return map;
    }
}
