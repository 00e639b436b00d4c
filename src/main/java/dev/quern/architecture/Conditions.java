package dev.quern.architecture;

import dev.quern.checkpoint.ModelConfig;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A page's conditions, asked of a configuration. */
final class Conditions {
    private Conditions() {}

    /** True for no condition at all. */
    static boolean hold(Architecture.@Nullable Condition condition, ModelConfig config) {
        return condition == null
                || value(condition.config(), config)
                        .map(condition.is()::contains)
                        .orElse(false);
    }

    /** The first of the fields that is there, as text; a boolean as "true" or "false". */
    static Optional<String> value(List<String> fields, ModelConfig config) {
        for (String field : fields) {
            if (config.has(field)) {
                return config.anyText(field);
            }
        }
        return Optional.empty();
    }
}
