package dev.quern.batch;

import dev.quern.io.InputException;
import dev.quern.pipeline.Source;
import dev.quern.report.Table;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;

/** What a run would do, found out without writing anything. */
public record BatchPlan(Path directory, List<Line> lines, OptionalLong free) {
    /**
     * @param action convert, up to date, or refused
     * @param bytes of the output
     * @param because why it is to be made, or what is wrong
     */
    public record Line(String source, String output, String action, long bytes, String because) {}

    /**
     * @param only as in {@link Batch.Options}
     * @throws dev.quern.io.RefusedException when nothing is selected
     */
    public static BatchPlan of(Recipe recipe, List<String> only, boolean force, String version) {
        List<Line> lines = new ArrayList<>();
        RunRecord record = RunRecord.look(recipe.directory());
        Batch.selected(recipe, only).forEach((input, outputs) -> {
            try (Source source = Source.open(input.path())) {
                for (Recipe.Output output : outputs) {
                    lines.add(new OutputOutlook(recipe, record, source, input, output, force, version).line());
                }
            } catch (InputException e) {
                outputs.forEach(output ->
                        lines.add(new Line(input.name(), output.name(), "refused", 0, String.valueOf(e.getMessage()))));
            }
        });
        return new BatchPlan(recipe.directory(), lines, free(recipe.directory()));
    }

    private static OptionalLong free(Path directory) {
        Path at = directory.toAbsolutePath();
        while (at != null && !Files.exists(at)) {
            at = at.getParent();
        }
        try {
            FileStore store = at == null ? null : Files.getFileStore(at);
            return store == null ? OptionalLong.empty() : OptionalLong.of(store.getUsableSpace());
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }

    /** Whether a source or output could not be planned. */
    public boolean refused() {
        return lines.stream().anyMatch(line -> line.action().equals("refused"));
    }

    private long toWrite() {
        return lines.stream()
                .filter(line -> line.action().equals("convert"))
                .mapToLong(Line::bytes)
                .sum();
    }

    public String text() {
        Table table = new Table("source", "output", "step", "bytes", "because");
        lines.forEach(line -> table.add(
                line.source(),
                line.output(),
                line.action(),
                line.bytes() == 0 ? "" : Long.toString(line.bytes()),
                line.because()));
        return table.text()
                + String.format(
                        Locale.ROOT,
                        "%n%.2f GB to write in %s%s%n",
                        toWrite() / 1e9,
                        directory,
                        free.isPresent() ? String.format(Locale.ROOT, ", %.2f GB free", free.getAsLong() / 1e9) : "");
    }

    public Map<String, Object> map() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("directory", directory.toString());
        map.put("bytes_to_write", toWrite());
        free.ifPresent(bytes -> map.put("bytes_free", bytes));
        map.put("steps", lines);
        return map;
    }
}
