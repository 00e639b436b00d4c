package dev.quern.architecture;

import dev.quern.gguf.GgufMetadata;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One page of {@code formats/architectures/}: what a model family is, for the reader, the converter and the evaluator.
 * Sizes, values and conditions are {@linkplain Expression expressions} over the page's hyperparameters.
 *
 * @param gguf the value of {@code general.architecture}, and {@code {arch}} in the family's metadata keys
 * @param title for people
 * @param architectures the {@code architectures} entries of config.json that this page answers to
 * @param runners what runners cannot do with the family, in one line for whoever converts; null where there is nothing to
 *     say
 * @param hyperparameters values by name, and the configuration fields they come from; a default may speak of the others
 * @param metadata the family's keys, in the order the peer writes them
 * @param refused configurations that look like this family and are not
 * @param renamed what a checkpoint's names may begin or end with, and what stands in the rules instead
 * @param computed tensors that no checkpoint holds; they come first
 * @param tensors every tensor, by its GGUF name; rules of the same name are alternatives. {@code {i}} is the layer,
 *     {@code {e}} in a checkpoint's name the expert: such tensors are stacked
 * @param ignored checkpoint tensors that carry nothing a GGUF needs; {@code {i}} is any number, {@code *} anything
 * @param zeros checkpoint tensors, named likewise, that are left out because every value of theirs is zero
 * @param vocabulary what the tokenizer files are read as
 * @param forward how the family computes; null while the evaluator does not know it
 */
public record Architecture(
        String gguf,
        String title,
        List<String> architectures,
        @Nullable String runners,
        Map<String, Size> hyperparameters,
        List<MetadataRule> metadata,
        List<Refusal> refused,
        List<Ending> renamed,
        List<ComputedTensor> computed,
        List<TensorRule> tensors,
        List<String> ignored,
        List<String> zeros,
        VocabularyRules vocabulary,
        @Nullable ForwardPass forward) {

    /**
     * A hyperparameter: the first of the configuration fields that is there, or else {@code fallback}, e.g.
     * "width/heads".
     *
     * @param optional whether a model may do without it
     */
    public record Size(List<String> config, @Nullable String fallback, SizeType type, boolean optional) {}

    /** A boolean is 1 or 0 in expressions. */
    public enum SizeType {
        INTEGER,
        REAL,
        BOOL,
        TEXT,
        LIST,
        /** No field of the configuration: the number of the way in which sentence-transformers pools, if it does. */
        POOLING
    }

    /**
     * A metadata key. It is left out when its condition does not hold, or its value is missing.
     *
     * @param value an expression; for a list type the expression of one element, {@code i} being its index
     * @param count of a list's elements; as many as there are layers when it is null
     */
    public record MetadataRule(
            String key,
            ValueType type,
            @Nullable String value,
            @Nullable String count,
            @Nullable String when,
            Stage at) {}

    /** {@code FILE_TYPE}: the number of the output's type, known once it is chosen. */
    public enum ValueType {
        UINT32,
        INT32,
        FLOAT32,
        BOOL,
        STRING,
        INT32S,
        FLOAT32S,
        BOOLS,
        FILE_TYPE
    }

    /** Where among the keys: before the general ones, with the family's, or around the tokenizer's. */
    public enum Stage {
        FIRST,
        PARAMETERS,
        BEFORE_VOCABULARY,
        AFTER_VOCABULARY
    }

    public record Refusal(String when, String because) {}

    /** What a name begins or ends with, and what it is read as. Exactly one of {@code prefix} and {@code suffix} is there. */
    public record Ending(@Nullable String prefix, @Nullable String suffix, String by) {
        /** The name as the rules have it, or the same name when this does not apply. */
        String applied(String name) {
            if (prefix != null && name.startsWith(prefix)) {
                return by + name.substring(prefix.length());
            }
            if (suffix != null && name.endsWith(suffix)) {
                return name.substring(0, name.length() - suffix.length()) + by;
            }
            return name;
        }
    }

    /** @param of the list that a {@code LIST} tensor holds */
    public record ComputedTensor(
            String name,
            Formula is,
            @Nullable String of,
            @Nullable String when) {
        public enum Formula {
            /** Llama 3.1's factors that stretch low frequencies. */
            LLAMA3_ROPE_FACTORS,
            /** A list of the configuration, one divisor for each rotated pair. */
            LIST
        }
    }

    /**
     * @param shape outermost first; expressions
     * @param huggingface the name in Hugging Face's layout, or null where that layout has no such tensor
     * @param meta the name in Meta's layout, likewise
     * @param optional whether a checkpoint may lack it
     * @param absentWhen when a checkpoint may lack it all the same
     * @param when when the rule counts at all
     * @param from the first layer that has it, 0 when null
     * @param to the layer after the last that has it, the number of layers when null
     * @param source the tensor's shape in the checkpoint (of one expert's, when stacked), where it differs from
     *     {@code shape}
     * @param transform what is done to a tensor of Hugging Face's layout, step by step
     * @param unlessSame a GGUF tensor; the rule's is left out when its values are the same
     */
    public record TensorRule(
            String name,
            List<String> shape,
            @Nullable String huggingface,
            @Nullable String meta,
            boolean optional,
            @Nullable String absentWhen,
            @Nullable String when,
            @Nullable String from,
            @Nullable String to,
            @Nullable List<String> source,
            List<Transform> transform,
            @Nullable String unlessSame) {
        public boolean perLayer() {
            return name.contains(LAYER);
        }
    }

    /**
     * One step; exactly one component is there.
     *
     * @param permuteRope undo Hugging Face's order of rotary rows, for as many heads as this says
     * @param regroup take rows apart that lie interleaved
     * @param reshape the same values in the same rows, in this shape
     * @param transpose exchange the last two axes
     * @param add this to every value
     * @param negativeExponential x becomes -exp(x)
     */
    public record Transform(
            @Nullable String permuteRope,
            @Nullable Regroup regroup,
            @Nullable List<String> reshape,
            @Nullable Boolean transpose,
            @Nullable Double add,
            @Nullable Boolean negativeExponential) {}

    /**
     * Rows that lie in groups, each of which has some rows of every part: a fused query, key and value for instance.
     *
     * @param groups how many there are
     * @param parts rows of each part in one group
     * @param part the part that is wanted, from 0; all, one after the other, when null
     * @param columns whether it is columns, not rows; the elements of a vector always count as rows
     */
    public record Regroup(
            String groups, List<String> parts, @Nullable Integer part, boolean columns) {}

    /**
     * What the family's tokenizer files are read as: the first kind for which they are there.
     *
     * @param tokens how many tokens the list has, where it is not as many as {@code vocabulary}
     */
    public record VocabularyRules(
            List<VocabularyKind> kinds, @Nullable String tokens) {}

    /** The ways in which the peer's converter reads a vocabulary. */
    public enum VocabularyKind {
        /** {@code tokenizer.model}, SentencePiece BPE. */
        SENTENCEPIECE,
        /** {@code tokenizer.json} of a SentencePiece BPE without its model. */
        LLAMA_HF,
        /** Byte-level BPE: {@code tokenizer.json}, or {@code vocab.json} and {@code merges.txt}. */
        GPT2,
        /** BERT's. */
        WORDPIECE,
        /** A tiktoken file. */
        QWEN,
        /** {@code tokenizer.model} and its added tokens, Phi-3's way. */
        PHI3,
        /** {@code tokenizer.model}, InternLM2's way. */
        INTERNLM2,
        /** SentencePiece Unigram. */
        UNIGRAM,
        /** Byte-level BPE whose end-of-text and end-of-turn tokens are found by their texts, ChatGLM's way. */
        CHATGLM,
        /** As ChatGLM's, and the token that ends a text begins one too: GLM-4 of April 2025. */
        GLM4,
        /** Byte-level BPE whose end-of-text and end-of-turn tokens are found by their texts, GLM's way. */
        GLM,
        /** {@code tokenizer.model} without a tokenizer.json, ChatGLM3's way. */
        CHATGLM3,
        /** SentencePiece Unigram, XLM-RoBERTa's way. */
        XLM_ROBERTA,
        /** {@code tekken.json}. */
        TEKKEN
    }

    @Override
    public String toString() {
        return title;
    }

    /** Stands for the layer's number in names. */
    public static final String LAYER = "{i}";

    /** Stands for an expert's number in a checkpoint's names. */
    static final String EXPERT = "{e}";

    /** All pages that come with Quern. */
    public static List<Architecture> all() {
        return Pages.all();
    }

    /** The page for one of the names that config.json lists as the model's architecture. */
    public static Optional<Architecture> answering(String architecture) {
        return Pages.first(page -> page.architectures().contains(architecture));
    }

    /** The page for a GGUF's {@code general.architecture}. */
    public static Optional<Architecture> of(GgufMetadata metadata) {
        return Pages.first(page -> page.gguf().equals(metadata.architecture()));
    }
}
