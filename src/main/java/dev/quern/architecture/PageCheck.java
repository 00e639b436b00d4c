package dev.quern.architecture;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a schema cannot say of a page: that its expressions can be read, and speak of what it defines. */
final class PageCheck {
    private final Set<String> known = new HashSet<>();

    private PageCheck() {}

    /** @throws IllegalArgumentException naming the first thing that is wrong */
    static void check(Architecture page) {
        PageCheck check = new PageCheck();
        check.known.add(Sizes.LAYER_NUMBER);
        check.known.addAll(page.hyperparameters().keySet());
        page.hyperparameters().forEach((name, size) -> check.expression("hyperparameters: " + name, size.fallback()));
        for (String name : page.architectures().isEmpty() ? List.<String>of() : List.of("layers", "vocabulary")) {
            if (!check.known.contains(name)) {
                throw new IllegalArgumentException("hyperparameters: every page has \"" + name + "\"");
            }
        }
        for (Architecture.MetadataRule rule : page.metadata()) {
            check.expression(rule.key(), rule.value());
            check.expression(rule.key(), rule.count());
            check.expression(rule.key(), rule.when());
        }
        page.refused().forEach(refusal -> check.expression("refused", refusal.when()));
        for (Architecture.ComputedTensor computed : page.computed()) {
            check.expression(computed.name(), computed.of());
            check.expression(computed.name(), computed.when());
        }
        page.tensors().forEach(check::tensor);
        check.expression("vocabulary", page.vocabulary().tokens());
    }

    private void tensor(Architecture.TensorRule rule) {
        String where = rule.name();
        if (rule.huggingface() == null && rule.meta() == null) {
            throw new IllegalArgumentException(where + ": the rule names no tensor of a checkpoint");
        }
        List<String> expressions = new ArrayList<>(rule.shape());
        if (rule.source() != null) {
            expressions.addAll(rule.source());
        }
        for (Architecture.Transform step : rule.transform()) {
            if (step.permuteRope() != null) {
                expressions.add(step.permuteRope());
            }
            if (step.reshape() != null) {
                expressions.addAll(step.reshape());
            }
            if (step.regroup() != null) {
                expressions.add(step.regroup().groups());
                expressions.addAll(step.regroup().parts());
            }
        }
        expressions.forEach(expression -> expression(where, expression));
        expression(where, rule.absentWhen());
        expression(where, rule.when());
        expression(where, rule.from());
        expression(where, rule.to());
    }

    private void expression(String where, @Nullable String text) {
        if (text == null) {
            return;
        }
        for (String name : new Expression(text).names()) {
            if (!known.contains(name)) {
                throw new IllegalArgumentException(
                        where + ": \"" + text + "\" speaks of " + name + ", which is not among the hyperparameters");
            }
        }
    }
}
