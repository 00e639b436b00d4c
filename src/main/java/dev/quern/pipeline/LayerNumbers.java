package dev.quern.pipeline;

import java.util.Collection;
import java.util.SortedSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Layers left out, and the numbers of those that move up behind them (llama-quantize --prune-layers). */
final class LayerNumbers {
    private static final Pattern LAYER = Pattern.compile("blk\\.(\\d{1,9})\\.");

    private final SortedSet<Integer> pruned;

    LayerNumbers(SortedSet<Integer> pruned) {
        this.pruned = pruned;
    }

    boolean prunes() {
        return !pruned.isEmpty();
    }

    boolean keeps(String name) {
        Matcher matcher = LAYER.matcher(name);
        return !matcher.find() || !pruned.contains(Integer.parseInt(matcher.group(1)));
    }

    /** The name with as many layers less as were left out before it. */
    String renumbered(String name) {
        Matcher matcher = LAYER.matcher(name);
        if (pruned.isEmpty() || !matcher.find()) {
            return name;
        }
        int layer = Integer.parseInt(matcher.group(1));
        int number = layer - pruned.headSet(layer).size();
        return name.substring(0, matcher.start(1)) + number + name.substring(matcher.end(1));
    }

    /** How many layers are left of those that the names name. */
    long kept(Collection<String> names) {
        return names.stream()
                .filter(this::keeps)
                .map(LAYER::matcher)
                .filter(Matcher::find)
                .map(matcher -> matcher.group(1))
                .distinct()
                .count();
    }
}
