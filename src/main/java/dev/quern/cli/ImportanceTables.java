package dev.quern.cli;

import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceStatistics;
import dev.quern.importance.ImportanceStatistics.OfLayer;
import dev.quern.importance.ImportanceStatistics.OfTensor;
import dev.quern.report.Json;
import dev.quern.report.Table;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An importance matrix's statistics as text: llama-imatrix's two tables, or JSON. */
final class ImportanceTables {
    private ImportanceTables() {}

    static String of(ImportanceMatrix matrix, boolean json) {
        List<OfTensor> tensors = ImportanceStatistics.tensors(matrix);
        List<OfLayer> layers = ImportanceStatistics.layers(tensors);
        if (json) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("datasets", matrix.datasets());
            map.put("chunks", matrix.chunks());
            map.put("tensors", tensors.stream().map(ImportanceTables::map).toList());
            map.put("layers", layers.stream().map(ImportanceTables::map).toList());
            return Json.pretty(map) + "\n";
        }
        return tensors(tensors).text() + "\n" + layers(layers).text();
    }

    private static Table tensors(List<OfTensor> tensors) {
        Table table = new Table(
                "layer",
                "tensor",
                "sum(act^2)",
                "min",
                "max",
                "mean",
                "deviation",
                "active",
                "N",
                "entropy",
                "E (norm)",
                "ZD",
                "CosSim");
        for (OfTensor one : tensors) {
            table.add(
                    one.layer() < 0 ? "-" : String.valueOf(one.layer()),
                    one.part(),
                    number(one.sum(), 2),
                    number(one.least(), 4),
                    number(one.most(), 4),
                    number(one.mean(), 4),
                    number(one.deviation(), 4),
                    number(100 * one.active(), 2) + "%",
                    String.valueOf(one.values()),
                    number(one.entropy(), 4),
                    number(100 * one.evenness(), 2) + "%",
                    number(100 * one.outstanding(), 2) + "%",
                    number(one.similarity(), 4));
        }
        return table;
    }

    private static Table layers(List<OfLayer> layers) {
        Table table = new Table("layer", "sum(act^2)", "ZD", "CosSim");
        for (OfLayer layer : layers) {
            table.add(
                    String.valueOf(layer.layer()),
                    number(layer.sum(), 2),
                    number(100 * layer.outstanding(), 4) + "%",
                    number(layer.similarity(), 4));
        }
        return table;
    }

    /** As C prints, so that the figures are llama-imatrix's to the digit. */
    private static String number(double value, int digits) {
        return new BigDecimal(value).setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
    }

    private static Map<String, Object> map(OfTensor one) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("tensor", one.tensor());
        map.put("sum", one.sum());
        map.put("min", one.least());
        map.put("max", one.most());
        map.put("mean", one.mean());
        map.put("deviation", one.deviation());
        map.put("active", one.active());
        map.put("values", one.values());
        map.put("entropy", one.entropy());
        map.put("entropy_share", one.evenness());
        map.put("zd", one.outstanding());
        map.put("cosine_with_layer_before", one.similarity());
        return map;
    }

    private static Map<String, Object> map(OfLayer layer) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("layer", layer.layer());
        map.put("sum", layer.sum());
        map.put("zd", layer.outstanding());
        map.put("cosine_with_layer_before", layer.similarity());
        return map;
    }
}
