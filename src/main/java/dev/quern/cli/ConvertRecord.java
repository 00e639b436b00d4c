package dev.quern.cli;

import dev.quern.io.FileIdentity;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.SourceFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What is recorded of a conversion: which files it reads, and which options change bytes.
 *
 * @param asked the command with its options
 * @param opened its source
 */
record ConvertRecord(ConvertCommand asked, Source opened) {
    /** What decides the outputs: an interrupted run goes on only where all of it is the same. */
    Inputs inputs() {
        List<Path> others = new ArrayList<>(asked.typeOptions.files());
        others.addAll(asked.target.files());
        others.addAll(asked.gates.files());
        if (asked.architecture != null) {
            others.add(asked.architecture);
        }
        if (asked.metadata != null) {
            others.add(asked.metadata);
        }
        List<Path> beside = SourceFiles.beside(opened);
        others.addAll(beside);
        // What else decides the values, but stands in no header: scales of adapters, how packed weights are packed.
        String how = asked.adapters + "\n"
                + String.join(
                        "\n",
                        beside.stream()
                                .map(FileIdentity::of)
                                .map(FileIdentity::lasting)
                                .toList());
        return Inputs.of(opened.model(), others, how);
    }

    /** What provenance says of it. */
    ProvenanceOptions.Made made(QuantizationOptions options) {
        List<Path> sources = new ArrayList<>(SourceFiles.of(opened));
        sources.addAll(asked.typeOptions.parameterFiles());
        sources.addAll(asked.target.files());
        Stream.of(
                        Optional.ofNullable(asked.metadata),
                        Optional.ofNullable(asked.base).map(folder -> folder.resolve("config.json")))
                .flatMap(Optional::stream)
                .filter(Files::isRegularFile)
                .forEach(sources::add);
        return new ProvenanceOptions.Made(
                "convert",
                sources,
                options(options),
                asked.typeOptions.importance.given(),
                asked.typeOptions.importance.calibrationText());
    }

    private SequencedMap<String, String> options(QuantizationOptions options) {
        SequencedMap<String, String> recorded = asked.typeOptions.recorded(options);
        asked.target.record(recorded);
        if (asked.modelName != null) {
            recorded.put("model_name", asked.modelName);
        }
        if (!asked.adapters.isEmpty()) {
            recorded.put(
                    "lora",
                    asked.adapters.stream()
                            .map(adapter -> adapter.directory()
                                            .toAbsolutePath()
                                            .normalize()
                                            .getFileName()
                                    + ":" + adapter.factor())
                            .collect(Collectors.joining(" ")));
        }
        Map<String, Boolean> switches = new LinkedHashMap<>();
        switches.put("dequantize", asked.dequantize);
        switches.put("vocab_only", asked.vocabularyOnly);
        switches.put("allow_non_finite", asked.run.allowNonFinite);
        switches.put("keep_split", asked.split.keepSplit);
        switches.put("no_tensor_first_split", asked.split.metadataFirst);
        switches.forEach((name, on) -> {
            if (on) {
                recorded.put(name, "true");
            }
        });
        if (asked.split.maxSize > 0) {
            recorded.put("split_max_size", "" + asked.split.maxSize);
        }
        if (asked.split.maxTensors > 0) {
            recorded.put("split_max_tensors", "" + asked.split.maxTensors);
        }
        return recorded;
    }
}
