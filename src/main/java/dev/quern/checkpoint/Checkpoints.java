package dev.quern.checkpoint;

import dev.quern.checkpoint.ggml.GgmlVersion;
import dev.quern.checkpoint.packed.PackedCheckpoint;
import dev.quern.checkpoint.torch.TorchContainer;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Opens whatever the user points at: a directory, one weight file, or a shard index. */
public final class Checkpoints {
    private static final String CONFIG = "config.json";
    private static final String PARAMS = "params.json";
    private static final String SAFETENSORS_INDEX = "model.safetensors.index.json";
    private static final String MISTRAL_INDEX = "consolidated.safetensors.index.json";
    private static final String TORCH_INDEX = "pytorch_model.bin.index.json";

    /** What PEFT calls an adapter's configuration. */
    public static final String ADAPTER_CONFIG = "adapter_config.json";

    private Checkpoints() {}

    /**
     * Opens a checkpoint: every header and pickle is read and checked, no weight is.
     *
     * @throws InputException when it is not there, not a checkpoint, or wrong in any way
     */
    public static Checkpoint open(Path source) {
        return open(source, true);
    }

    /**
     * As {@link #open}, for whoever needs no weights: where a Hugging Face directory has none (as a download of
     * configuration and tokenizer alone), a checkpoint without tensors.
     *
     * @throws InputException as {@link #open} does
     */
    public static Checkpoint openForVocabulary(Path source) {
        return open(source, false);
    }

    private static Checkpoint open(Path source, boolean weights) {
        try {
            if (Files.isDirectory(source)) {
                return openDirectory(source, weights);
            }
            if (!Files.exists(source)) {
                throw InputException.of(source, "no such file or directory");
            }
            return openFile(source);
        } catch (InternalError e) {
            // What the JVM raises when mapped pages are gone (measured on JDK 25).
            throw InputException.of(source, "changed while it was being read")
                    .withHint("leave the files alone until the command has ended, and run it again")
                    .withCause(e);
        }
    }

    /** Whether a directory holds an adapter's configuration and no model's. */
    public static boolean isAdapter(Path directory) {
        return Files.isRegularFile(directory.resolve(ADAPTER_CONFIG)) && !Files.exists(directory.resolve(CONFIG));
    }

    /**
     * The tensors of a PEFT adapter's folder; the configuration is adapter_config.json.
     *
     * @throws InputException when it is no adapter
     */
    public static Checkpoint openAdapter(Path directory) {
        Path config = directory.resolve(ADAPTER_CONFIG);
        if (!Files.isRegularFile(config)) {
            throw InputException.of(directory, "no adapter_config.json in it")
                    .withHint("an adapter is a folder with adapter_config.json and adapter_model.safetensors");
        }
        Path file = Stream.of("adapter_model.safetensors", "adapter_model.bin")
                .map(directory::resolve)
                .filter(Files::exists)
                .findFirst()
                .orElseThrow(() -> InputException.of(
                                directory,
                                "no adapter_model.safetensors or adapter_model.bin beside adapter_config.json")
                        .withHint("the download is not complete"));
        ModelConfig read = ModelConfig.read(config);
        List<Weights> weights = Weights.open(List.of(file));
        try {
            return new WholeTensors(Layout.HUGGING_FACE, directory, read, weights, List.of());
        } catch (RuntimeException | Error e) {
            weights.forEach(Weights::close);
            throw e;
        }
    }

    static Path directoryOf(Path file) {
        return Optional.ofNullable(file.getParent()).orElse(Path.of("."));
    }

    private static Checkpoint openDirectory(Path directory, boolean weights) {
        List<String> names = names(directory);
        Parts parts = Parts.of(directory, names);
        List<Path> metaShards = MetaShards.find(directory, names);
        if (names.contains(PARAMS) && parts.isMistral()) {
            return mistral(directory, parts);
        }
        boolean config = names.contains(CONFIG);
        if (config && !parts.files().isEmpty()) {
            return huggingFace(directory, parts);
        }
        if (names.contains(PARAMS) && !metaShards.isEmpty()) {
            return meta(directory, metaShards);
        }
        List<String> graphs =
                names.stream().filter(name -> name.endsWith(".onnx")).toList();
        if (config && graphs.size() == 1) {
            return onnx(directory, directory.resolve(graphs.getFirst()));
        }
        if (config && !weights && parts.files().isEmpty() && metaShards.isEmpty() && graphs.isEmpty()) {
            ModelConfig read = ModelConfig.read(directory.resolve(CONFIG));
            return new WholeTensors(Layout.HUGGING_FACE, directory, read, List.of(), List.of());
        }
        throw refusal(directory, names, !parts.files().isEmpty(), !metaShards.isEmpty());
    }

    private static Checkpoint openFile(Path file) {
        String name = String.valueOf(file.getFileName());
        Path directory = directoryOf(file);
        if (name.endsWith(".index.json")) {
            Parts listed = Parts.indexed(file);
            return listed.isMistral() ? mistral(directory, listed) : huggingFace(directory, listed);
        }
        if (name.endsWith(".json")) {
            throw InputException.of(file, "is no weight file").withHint("give the directory: " + directory);
        }
        if (isGgml(file)) {
            return GgmlCheckpoint.open(file);
        }
        if (name.endsWith(".onnx")) {
            return onnx(directory, file);
        }
        List<String> names = names(directory);
        // One shard alone is half a model: with its siblings it is the whole one.
        if (MetaShards.isShard(name)) {
            return meta(directory, MetaShards.find(directory, names));
        }
        Parts all = Parts.of(directory, names);
        boolean together = all.files().size() > 1 && Parts.isShard(name) && all.contains(name);
        Parts one = new Parts(List.of(file), Optional.empty(), List.of());
        if (names.contains(PARAMS) && one.isMistral()) {
            return mistral(directory, together ? all : one);
        }
        if (together) {
            return huggingFace(directory, all);
        }
        if (!names.contains(CONFIG) && names.contains(PARAMS)) {
            return meta(directory, List.of(file));
        }
        return huggingFace(directory, one);
    }

    private static Checkpoint huggingFace(Path directory, Parts parts) {
        Path configFile = directory.resolve(CONFIG);
        if (!Files.exists(configFile)) {
            throw InputException.of(directory, "no config.json beside the weights")
                    .withHint("get config.json and the tokenizer files from where the weights came from");
        }
        ModelConfig config = ModelConfig.read(configFile);
        List<Weights> weights = Weights.open(parts.files());
        try {
            List<String> notes = new ArrayList<>(parts.notes());
            parts.index().ifPresent(index -> notes.addAll(index.check(weights)));
            return PackedCheckpoint.of(new WholeTensors(Layout.HUGGING_FACE, directory, config, weights, notes));
        } catch (RuntimeException | Error e) {
            weights.forEach(Weights::close);
            throw e;
        }
    }

    /** Mistral's own layout: Meta's names and params.json, but every tensor whole and in safetensors. */
    private static Checkpoint mistral(Path directory, Parts parts) {
        Path params = directory.resolve(PARAMS);
        if (!Files.exists(params)) {
            throw InputException.of(directory, "no params.json beside the consolidated*.safetensors files")
                    .withHint("get params.json and the tokenizer from where the weights came from");
        }
        List<Weights> weights = Weights.open(parts.files());
        try {
            List<String> notes = new ArrayList<>(parts.notes());
            parts.index().ifPresent(index -> notes.addAll(index.check(weights)));
            List<String> unused = MetaParameters.unused(params);
            if (!unused.isEmpty()) {
                notes.add(params + ": not used: " + quoted(unused));
            }
            return new WholeTensors(
                    Layout.META, directory, MetaParameters.translateWhole(params, weights), weights, notes);
        } catch (RuntimeException | Error e) {
            weights.forEach(Weights::close);
            throw e;
        }
    }

    private static Checkpoint onnx(Path directory, Path path) {
        Path configFile = directory.resolve(CONFIG);
        if (!Files.exists(configFile)) {
            throw InputException.of(directory, "no config.json beside the model")
                    .withHint("get config.json and the tokenizer files from where the model came from");
        }
        ModelConfig config = ModelConfig.read(configFile);
        List<Weights> weights = Weights.onnx(path, directory);
        try {
            return new WholeTensors(Layout.HUGGING_FACE, directory, config, weights, List.of());
        } catch (RuntimeException | Error e) {
            weights.forEach(Weights::close);
            throw e;
        }
    }

    private static Checkpoint meta(Path directory, List<Path> files) {
        Path params = directory.resolve(PARAMS);
        if (!Files.exists(params)) {
            throw InputException.of(directory, "no params.json beside the weights")
                    .withHint("get params.json and tokenizer.model from where the weights came from");
        }
        List<Weights> shards = Weights.open(files);
        try {
            List<String> notes = new ArrayList<>();
            List<String> unused = MetaParameters.unused(params);
            if (!unused.isEmpty()) {
                notes.add(params + ": not used: " + quoted(unused));
            }
            return new MetaCheckpoint(directory, MetaParameters.translate(params, shards), shards, notes);
        } catch (RuntimeException | Error e) {
            shards.forEach(Weights::close);
            throw e;
        }
    }

    /** Whether it is a file of llama.cpp before GGUF; one of GGUF is no checkpoint. */
    private static boolean isGgml(Path path) {
        try (MappedFile file = MappedFile.open(path)) {
            if (TorchContainer.of(file) == TorchContainer.GGUF) {
                throw InputException.of(path, "is a GGUF file, not a checkpoint");
            }
            return GgmlVersion.looksLike(file);
        }
    }

    private static List<String> names(Path directory) {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.filter(entry -> !Files.isDirectory(entry))
                    .map(entry -> String.valueOf(entry.getFileName()))
                    .sorted(Comparator.naturalOrder())
                    .toList();
        } catch (IOException e) {
            throw InputException.of(directory, "cannot be listed: " + e.getMessage())
                    .withCause(e);
        }
    }

    /** Says what is there instead of a checkpoint, because that tells the user what went wrong. */
    private static InputException refusal(Path directory, List<String> names, boolean parts, boolean metaShards) {
        if (parts) {
            return InputException.of(directory, "no config.json beside the weights")
                    .withHint("get config.json and the tokenizer files from where the weights came from");
        }
        if (metaShards) {
            return InputException.of(directory, "no params.json beside the consolidated.*.pth files")
                    .withHint("get params.json and tokenizer.model from where the weights came from");
        }
        InputException none = InputException.of(
                directory,
                "no weight files (safetensors, pytorch_model.bin or " + "consolidated.*.pth) in it; found "
                        + (names.isEmpty() ? "nothing" : quoted(names)));
        if (names.contains(ADAPTER_CONFIG)) {
            return InputException.of(directory, "is a LoRA adapter, not a model")
                    .withHint(
                            "quern convert BASE --lora ADAPTER merges it; quern convert ADAPTER --base BASE makes it a"
                                    + " GGUF of its own");
        }
        if (any(names, name -> name.endsWith(".gguf"))) {
            return none.withHint("give the GGUF file itself as the source");
        }
        if (any(names, name -> name.endsWith(".distcp") || name.equals(".metadata"))) {
            return none.withHint("this is a torch.distributed checkpoint; convert it first: "
                    + "python -m torch.distributed.checkpoint.format_utils dcp_to_torch");
        }
        if (any(names, name -> name.endsWith(".onnx"))) {
            return none.withHint("give the one .onnx file that is meant, with config.json beside it");
        }
        if (any(names, name -> name.endsWith(".h5") || name.endsWith(".msgpack"))) {
            return none.withHint("TensorFlow and Flax weights are not read; look for a safetensors version");
        }
        return none.withHint("give the directory that holds config.json and the weights");
    }

    private static boolean any(List<String> names, Predicate<String> test) {
        return names.stream().anyMatch(test);
    }

    private static String quoted(List<String> names) {
        return names.stream().limit(6).map(Quoted::of).collect(Collectors.joining(", "))
                + (names.size() > 6 ? " and " + (names.size() - 6) + " more" : "");
    }

    /** Which files of a Hugging Face directory are the model. */
    private record Parts(List<Path> files, Optional<ShardIndex> index, List<String> notes) {
        private static final String SHARD = ".*-[0-9]{5}-of-[0-9]{5}\\.(safetensors|bin)";

        static Parts of(Path directory, List<String> names) {
            if (names.contains(SAFETENSORS_INDEX)) {
                return indexed(directory.resolve(SAFETENSORS_INDEX)).notingOthers(names, "model.*\\.safetensors");
            }
            List<String> chosen = matching(names, "model.*\\.safetensors");
            if (chosen.isEmpty() && names.contains(MISTRAL_INDEX)) {
                return indexed(directory.resolve(MISTRAL_INDEX));
            }
            if (chosen.isEmpty() && !names.contains(ADAPTER_CONFIG)) {
                chosen = matching(names, ".*\\.safetensors");
            }
            if (chosen.isEmpty() && names.contains(TORCH_INDEX)) {
                return indexed(directory.resolve(TORCH_INDEX));
            }
            if (chosen.isEmpty()) {
                chosen = matching(names, "pytorch_model.*\\.bin");
            }
            checkComplete(directory, chosen);
            return new Parts(chosen.stream().map(directory::resolve).toList(), Optional.empty(), List.of());
        }

        static Parts indexed(Path file) {
            ShardIndex index = ShardIndex.read(file);
            return new Parts(index.shards(), Optional.of(index), List.of());
        }

        /** Shards of an older download, say, that look like the model's and are not. */
        Parts notingOthers(List<String> names, String pattern) {
            List<String> others = matching(names, pattern).stream()
                    .filter(name -> !contains(name))
                    .toList();
            return others.isEmpty()
                    ? this
                    : new Parts(files, index, List.of("not in the index, so not used: " + quoted(others)));
        }

        static boolean isShard(String name) {
            return name.matches(SHARD);
        }

        /** Names decide only whose words the configuration is in. */
        boolean isMistral() {
            return !files.isEmpty()
                    && files.stream()
                            .allMatch(
                                    file -> String.valueOf(file.getFileName()).matches("consolidated.*\\.safetensors"));
        }

        boolean contains(String name) {
            return files.stream().anyMatch(file -> file.endsWith(name));
        }

        private static List<String> matching(List<String> names, String pattern) {
            return names.stream().filter(name -> name.matches(pattern)).toList();
        }

        /** Without an index the names tell how many shards there are. */
        private static void checkComplete(Path directory, List<String> names) {
            Set<String> there = Set.copyOf(names);
            for (String name : names) {
                if (!isShard(name)) {
                    continue;
                }
                int at = name.lastIndexOf("-of-");
                String end = name.substring(at);
                int count = Integer.parseInt(end.substring(4, 9));
                for (int number = 1; number <= count; number++) {
                    String sibling = name.substring(0, at - 5) + String.format("%05d", number) + end;
                    if (!there.contains(sibling)) {
                        throw InputException.of(directory, "the shard " + Quoted.of(sibling) + " is missing")
                                .withHint("the download is not complete");
                    }
                }
            }
        }
    }

    /** Meta's consolidated.00.pth, consolidated.01.pth, … */
    private static final class MetaShards {
        private static final String SHARD = "consolidated\\.[0-9]{2}\\.pth";

        static boolean isShard(String name) {
            return name.matches(SHARD);
        }

        static List<Path> find(Path directory, List<String> names) {
            List<String> found = names.stream().filter(MetaShards::isShard).toList();
            for (int number = 0; number < found.size(); number++) {
                String expected = String.format("consolidated.%02d.pth", number);
                if (!found.get(number).equals(expected)) {
                    throw InputException.of(directory, "the shard " + expected + " is missing")
                            .withHint("the download is not complete");
                }
            }
            return found.stream().map(directory::resolve).toList();
        }
    }
}
