package dev.quern.architecture;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.quern.gguf.GgufMetadata;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.cfg.EnumFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * One page of {@code formats/architectures/}: what a model family is, for the reader, the converter and the evaluator.
 *
 * @param gguf the value of {@code general.architecture}, and the prefix of the family's metadata keys
 * @param title for people
 * @param architectures the {@code architectures} entries of config.json that this page answers to
 * @param hyperparameters sizes by name, and the configuration fields they come from
 * @param metadata the family's keys, in the order the peer writes them
 * @param refused configurations that look like this family and are not
 * @param computed tensors that no checkpoint holds
 * @param tensors every tensor, by its GGUF name; {@code {i}} is the layer
 * @param ignored checkpoint tensors that carry nothing a GGUF needs
 * @param forward how the family computes; null while the evaluator does not know it
 */
public record Architecture(
        String gguf,
        String title,
        List<String> architectures,
        Map<String, Size> hyperparameters,
        List<MetadataRule> metadata,
        List<Refusal> refused,
        List<ComputedTensor> computed,
        List<TensorRule> tensors,
        List<String> ignored,
        @Nullable ForwardPass forward) {

    /** A size: the first of the configuration fields that is there, or else {@code fallback}, e.g. "width/heads". */
    public record Size(
            List<String> config,
            @JsonProperty("default") @Nullable String fallback) {}

    /** Holds when the first of the fields that is there has one of these values, compared as text. */
    public record Condition(List<String> config, List<String> is) {}

    /** A metadata key; exactly one of {@code hyperparameter}, {@code config} and {@code constant} says its value. */
    public record MetadataRule(
            String key,
            ValueType type,
            @Nullable String hyperparameter,
            @Nullable List<String> config,
            @Nullable String constant,
            @JsonProperty("default") @Nullable Double fallback,
            @Nullable Condition when) {}

    /** {@code FILE_TYPE}: the number of the output's type, known once it is chosen. */
    public enum ValueType {
        UINT32,
        FLOAT32,
        STRING,
        FILE_TYPE
    }

    public record Refusal(Condition when, String because) {}

    public record ComputedTensor(String name, Formula is, Condition when) {
        public enum Formula {
            /** Llama 3.1's factors that stretch low frequencies. */
            LLAMA3_ROPE_FACTORS
        }
    }

    /**
     * @param shape outermost first; names of hyperparameters and their products, e.g. "heads*head_size"
     * @param huggingface the name in Hugging Face's layout, or null where that layout has no such tensor
     * @param meta the name in Meta's layout, likewise
     * @param optional whether a checkpoint may lack it
     * @param absentWhen when a checkpoint may lack it all the same
     */
    public record TensorRule(
            String name,
            List<String> shape,
            @Nullable String huggingface,
            @Nullable String meta,
            boolean optional,
            @JsonProperty("absent_when") @Nullable Condition absentWhen,
            @Nullable Transforms transform) {
        public boolean perLayer() {
            return name.contains(LAYER);
        }
    }

    /** What happens to a tensor on its way from either layout. */
    public record Transforms(
            @Nullable Transform huggingface, @Nullable Transform meta) {}

    /**
     * @param permuteRope undo Hugging Face's order of rotary rows, for as many heads as this hyperparameter says
     */
    public record Transform(@JsonProperty("permute_rope") String permuteRope) {}

    /** Stands for the layer's number in names. */
    public static final String LAYER = "{i}";

    private static final String FOLDER = "/formats/architectures/";

    // Pages are ours, so an unknown field is a slip of the pen and an error, not something to skip.
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.ACCEPT_SINGLE_VALUE_AS_ARRAY)
            .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_ENUMS)
            .disable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .disable(EnumFeature.READ_ENUMS_USING_TO_STRING)
            .build();

    /** All pages that come with Quern. */
    public static List<Architecture> all() {
        List<Architecture> pages = new ArrayList<>();
        for (String name : read("pages.json", String[].class)) {
            pages.add(read(name + ".json", Architecture.class));
        }
        return pages;
    }

    /** The page for one of the names that config.json lists as the model's architecture. */
    public static Optional<Architecture> answering(String architecture) {
        return all().stream()
                .filter(page -> page.architectures.contains(architecture))
                .findFirst();
    }

    /** The page for a GGUF's {@code general.architecture}. */
    public static Optional<Architecture> of(GgufMetadata metadata) {
        return all().stream()
                .filter(page -> page.gguf.equals(metadata.architecture()))
                .findFirst();
    }

    private static <T> T read(String name, Class<T> type) {
        try (InputStream in = Architecture.class.getResourceAsStream(FOLDER + name)) {
            if (in == null) {
                throw new IllegalStateException("the build lacks " + FOLDER + name);
            }
            return MAPPER.readValue(in, type);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
