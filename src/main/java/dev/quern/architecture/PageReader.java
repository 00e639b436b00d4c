package dev.quern.architecture;

import dev.quern.architecture.Architecture.ComputedTensor;
import dev.quern.architecture.Architecture.Ending;
import dev.quern.architecture.Architecture.MetadataRule;
import dev.quern.architecture.Architecture.Refusal;
import dev.quern.architecture.Architecture.Regroup;
import dev.quern.architecture.Architecture.Size;
import dev.quern.architecture.Architecture.SizeType;
import dev.quern.architecture.Architecture.Stage;
import dev.quern.architecture.Architecture.TensorRule;
import dev.quern.architecture.Architecture.Transform;
import dev.quern.architecture.Architecture.ValueType;
import dev.quern.architecture.Architecture.VocabularyKind;
import dev.quern.architecture.Architecture.VocabularyRules;
import java.util.Objects;
import tools.jackson.databind.JsonNode;

/** A page's fields and what holds them. {@link Pages} puts together what is read here. */
final class PageReader {
    private PageReader() {}

    /** @throws IllegalArgumentException for what the page's schema does not allow, with its place in the page */
    static Architecture architecture(JsonNode page) {
        return PageFields.read(page, "", PageReader::architecture);
    }

    private static Architecture architecture(PageFields page) {
        return new Architecture(
                page.required("gguf"),
                page.required("title"),
                page.texts("architectures"),
                page.text("runners"),
                page.named("hyperparameters", (size, where) -> PageFields.read(size, where, PageReader::size)),
                page.objects("metadata", PageReader::metadata),
                page.objects("refused", rule -> new Refusal(rule.required("when"), rule.required("because"))),
                page.objects(
                        "renamed", rule -> new Ending(rule.text("prefix"), rule.text("suffix"), rule.required("by"))),
                page.objects("computed", PageReader::computed),
                page.objects("tensors", PageReader::tensor),
                page.texts("ignored"),
                page.texts("zeros"),
                page.requiredObject(
                        "vocabulary",
                        rules -> new VocabularyRules(
                                rules.constants("kinds", VocabularyKind.class), rules.text("tokens"))),
                page.object("forward", PageReader::forward));
    }

    private static Size size(PageFields size) {
        return new Size(
                size.texts("config"),
                size.text("default"),
                size.constant("type", SizeType.INTEGER),
                size.flag("optional"));
    }

    private static MetadataRule metadata(PageFields rule) {
        return new MetadataRule(
                rule.required("key"),
                rule.required("type", ValueType.class),
                rule.text("value"),
                rule.text("count"),
                rule.text("when"),
                rule.constant("at", Stage.PARAMETERS));
    }

    private static ComputedTensor computed(PageFields rule) {
        return new ComputedTensor(
                rule.required("name"),
                rule.required("is", ComputedTensor.Formula.class),
                rule.text("of"),
                rule.text("when"));
    }

    private static TensorRule tensor(PageFields rule) {
        return new TensorRule(
                rule.required("name"),
                rule.texts("shape"),
                rule.text("huggingface"),
                rule.text("meta"),
                rule.flag("optional"),
                rule.text("absent_when"),
                rule.text("when"),
                rule.text("from"),
                rule.text("to"),
                rule.optionalTexts("source"),
                rule.objects("transform", PageReader::transform),
                rule.text("unless_same"));
    }

    private static Transform transform(PageFields step) {
        return new Transform(
                step.text("permute_rope"),
                step.object("regroup", PageReader::regroup),
                step.optionalTexts("reshape"),
                step.optionalFlag("transpose"),
                step.number("add"),
                step.optionalFlag("negative_exponential"));
    }

    private static Regroup regroup(PageFields rows) {
        return new Regroup(rows.required("groups"), rows.texts("parts"), rows.integer("part"), rows.flag("columns"));
    }

    private static ForwardPass forward(PageFields pass) {
        return new ForwardPass(
                pass.required("norm", ForwardPass.Norm.class),
                pass.required("rope", ForwardPass.Rope.class),
                pass.required("activation", ForwardPass.Activation.class),
                pass.constant("norms", ForwardPass.Norms.BEFORE),
                pass.flag("weightless_norms"),
                pass.constant("residual", ForwardPass.Residual.SEQUENTIAL),
                Objects.requireNonNullElse(pass.text("feed_forward_norm"), "ffn_norm"),
                pass.constant("query_key_norm", ForwardPass.Presence.NONE),
                pass.constant("attention", ForwardPass.Mixing.PLAIN),
                pass.flag("bidirectional"),
                pass.constant("positions", ForwardPass.Presence.NONE),
                pass.constant("token_types", ForwardPass.Presence.NONE),
                pass.constant("embedding_norm", ForwardPass.Presence.NONE),
                pass.constant("embedding_scale", ForwardPass.EmbeddingScale.NONE),
                pass.constant("attention_scale", ForwardPass.AttentionScale.HEAD),
                pass.constant("logit_scale", ForwardPass.LogitScale.MULTIPLY),
                Objects.requireNonNullElse(pass.integer("full_attention_every"), 0),
                pass.constant("sliding_rope", ForwardPass.SlidingRope.SAME),
                pass.flag("only_sliding_turns"),
                pass.texts("keys"),
                pass.numbers("constants"),
                pass.named("by_blocks", (other, where) -> PageFields.read(other, where, PageReader::forward)));
    }
}
