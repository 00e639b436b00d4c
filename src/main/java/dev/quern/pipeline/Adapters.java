package dev.quern.pipeline;

import dev.quern.architecture.CheckpointModel;
import dev.quern.architecture.GeneralMetadata;
import dev.quern.architecture.Model;
import dev.quern.architecture.ParameterCount;
import dev.quern.checkpoint.lora.BaseConfiguration;
import dev.quern.checkpoint.lora.LoraAdapter;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Scaled;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Strided;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;

/**
 * LoRA adapters as GGUF files of their own, which llama.cpp loads beside their base model; keys, names and order are
 * those of convert_lora_to_gguf.py.
 */
public final class Adapters {
    private Adapters() {}

    /**
     * An adapter seen as the GGUF it becomes. Readers multiply every update by alpha / rank; where PEFT's factor is
     * another (rsLoRA, alpha_pattern), B carries the quotient.
     *
     * @param base the folder of the model that it was trained on; only its config.json is read
     */
    public static Source open(Path path, Path base, Source.Options options) {
        LoraAdapter adapter = LoraAdapter.open(path);
        try {
            CheckpointModel family = CheckpointModel.of(BaseConfiguration.open(base));
            double alpha = adapter.config().requireReal("lora_alpha");
            TensorGraph graph = graph(adapter, family, alpha);
            GeneralMetadata general = GeneralMetadata.read(
                    adapter.directory(), Optional.empty(), ParameterCount.NONE, options.overrides(), options.name());
            GgufMetadata metadata = new GgufMetadata()
                    .put("general.architecture", GgufValue.text(family.page().gguf()))
                    .put("general.type", GgufValue.text("adapter"))
                    .put("adapter.type", GgufValue.text("lora"));
            general.writeTo(metadata);
            metadata.put("adapter.lora.alpha", GgufValue.f32((float) alpha));
            invocation(adapter, metadata);
            metadata.put("general.quantization_version", GgufValue.u32(Source.QUANTIZATION_VERSION));
            SequencedMap<String, QuantType> types = new LinkedHashMap<>();
            graph.sources().forEach(source -> types.put(source.info().name(), QuantType.F32));
            Model model = new Model(path.toString(), metadata, graph, adapter.files());
            return new Source(
                    path,
                    "LoRA adapter",
                    model,
                    types,
                    FileType.F32,
                    List.of(List.copyOf(types.keySet())),
                    Optional.of(general),
                    Optional.of(family.page()),
                    adapter::verifyChecksums);
        } catch (RuntimeException e) {
            adapter.close();
            throw e;
        }
    }

    /** Tokens that switch an activated LoRA on. */
    private static void invocation(LoraAdapter adapter, GgufMetadata metadata) {
        JsonNode tokens = adapter.config().json().path("alora_invocation_tokens");
        if (!tokens.isEmpty()) {
            int[] ids = adapter.config().integers("alora_invocation_tokens").stream()
                    .mapToInt(Math::toIntExact)
                    .toArray();
            metadata.put("adapter.alora.invocation_tokens", GgufValue.u32s(ids));
        }
    }

    private static TensorGraph graph(LoraAdapter adapter, CheckpointModel family, double alpha) {
        if (!adapter.replaced().isEmpty()) {
            throw adapter.refused(
                            adapter.replaced().firstEntry().getKey(),
                            "is replaced whole, which an adapter in GGUF cannot say")
                    .withHint("merge the adapter instead: quern convert BASE --lora " + adapter.directory());
        }
        Map<String, CheckpointModel.Place> places = family.places();
        TensorGraph graph = new TensorGraph();
        adapter.updates().forEach((name, update) -> {
            CheckpointModel.Place place = Optional.ofNullable(places.get(name))
                    .or(() -> Optional.ofNullable(places.get("model." + name)))
                    .orElseThrow(() -> placeless(adapter, family, name));
            if (update.magnitudes().isPresent()) {
                throw adapter.refused(name, "is changed by DoRA, which an adapter in GGUF cannot say")
                        .withHint("merge the adapter instead: quern convert BASE --lora " + adapter.directory());
            }
            add(graph, adapter, name, update, place, alpha);
        });
        return graph;
    }

    private static InputException placeless(LoraAdapter adapter, CheckpointModel family, String name) {
        if (family.knows(name) || family.knows("model." + name)) {
            return adapter.refused(name, "is taken apart or turned in a GGUF, which an adapter's update cannot follow")
                    .withHint("merge the adapter instead: quern convert BASE --lora " + adapter.directory());
        }
        return adapter.refused(name, "is not part of a " + family.page().title() + " model")
                .withHint("--base is not the model that the adapter was trained on");
    }

    private static void add(
            TensorGraph graph,
            LoraAdapter adapter,
            String name,
            LoraAdapter.Update update,
            CheckpointModel.Place place,
            double alpha) {
        TensorSource a = update.embedding() ? Strided.transposed(update.a()) : update.a();
        long rows = update.embedding()
                ? a.info().shape().dim(0)
                : update.b().info().shape().dim(0);
        long columns = update.embedding()
                ? update.b().info().shape().dim(0)
                : a.info().shape().dim(1);
        if (!place.shape().equals(Shape.of(rows, columns))) {
            throw InputException.of(
                            adapter.directory(),
                            "tensor " + dev.quern.io.Quoted.of(name),
                            "is changed by an update of shape " + Shape.of(rows, columns) + ", in the base model it is "
                                    + place.shape())
                    .withHint("--base is not the model that the adapter was trained on");
        }
        TensorSource b = update.embedding() ? update.b() : place.inOrder(update.b());
        float own = (float) (update.scale() / (alpha / update.rank()));
        if (own != 1) {
            b = new Scaled(b.info(), b, own);
        }
        graph.add(renamed(a, place.name() + ".lora_a"));
        graph.add(renamed(b, place.name() + ".lora_b"));
    }

    private static TensorSource renamed(TensorSource source, String name) {
        return new Renamed(source.info().withName(name), source);
    }

    /** Every matrix of the file's type, or F16 where a row is no whole number of its blocks. */
    public static OutputPlan plan(Source source, FileType file) {
        if (!CheckpointTypes.isDirect(file)) {
            throw InputException.of(source.path(), "an adapter becomes F32, F16, BF16 or Q8_0, not " + file)
                    .withHint("merge it into its base model to quantize both: quern convert BASE --lora "
                            + source.path());
        }
        List<PlannedTensor> tensors = new ArrayList<>();
        for (TensorSource tensor : source.model().tensors().sources()) {
            TensorInfo info = tensor.info();
            boolean fits = info.shape().rowLength() % file.base().blockLength() == 0;
            QuantType type = fits ? file.base() : QuantType.F16;
            tensors.add(new PlannedTensor(info.name(), type, info.shape(), tensor, "base", false, null));
        }
        return new OutputPlan(file.name(), source.model().metadata(), tensors);
    }
}
