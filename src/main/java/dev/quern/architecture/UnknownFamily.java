package dev.quern.architecture;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.ModelConfig;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What is said of a checkpoint that no page answers to: what was seen in it, and which page is nearest. */
final class UnknownFamily {
    private static final Pattern NUMBER = Pattern.compile("(?<=\\.)\\d+(?=\\.)");
    private static final int SHOWN = 40;

    private UnknownFamily() {}

    static String known() {
        return Architecture.all().stream()
                .flatMap(page -> page.architectures().stream())
                .collect(Collectors.joining(", "));
    }

    static InputException refusal(Checkpoint checkpoint, List<String> names) {
        ModelConfig config = checkpoint.config();
        String nearest = nearest(checkpoint);
        return InputException.of(
                        config.file(),
                        "architecture " + names.stream().map(Quoted::of).collect(Collectors.joining(", "))
                                + " is not known; fields: "
                                + shown(new TreeSet<>(config.json().propertyNames()))
                                + "; tensors: " + shown(patterns(checkpoint)))
                .withHint(nearest
                        + "a page of your own is read with --architecture PAGE.json"
                        + " (formats/architectures/README.md says how to write one)");
    }

    private static String shown(Set<String> names) {
        String text = names.stream().limit(SHOWN).map(Quoted::plain).collect(Collectors.joining(", "));
        return names.size() > SHOWN ? text + " and " + (names.size() - SHOWN) + " more" : text;
    }

    private static Set<String> patterns(Checkpoint checkpoint) {
        return checkpoint.tensors().keySet().stream()
                .map(UnknownFamily::pattern)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /** Numbers between dots as {@code {i}}. */
    private static String pattern(String name) {
        return NUMBER.matcher(name).replaceAll("{i}");
    }

    /** The page whose rules know the most of the checkpoint's tensor names. */
    private static String nearest(Checkpoint checkpoint) {
        Set<String> seen = patterns(checkpoint);
        Architecture best = null;
        long most = 0;
        for (Architecture page : Architecture.all()) {
            long known = known(page, seen);
            if (known > most) {
                best = page;
                most = known;
            }
        }
        return best == null
                ? ""
                : "the nearest page is " + best.title() + ", which knows " + most + " of these " + seen.size()
                        + " tensors; ";
    }

    private static long known(Architecture page, Set<String> seen) {
        Map<String, Boolean> patterns = page.tensors().stream()
                .map(rule -> String.valueOf(rule.huggingface()).replace(Architecture.EXPERT, Architecture.LAYER))
                .collect(Collectors.toMap(pattern -> pattern, pattern -> true, (one, other) -> one));
        return seen.stream()
                .filter(name -> {
                    String read = name;
                    for (Architecture.Ending ending : page.renamed()) {
                        read = ending.applied(read);
                    }
                    return patterns.containsKey(read) || patterns.containsKey(name);
                })
                .count();
    }
}
