package dev.quern.gguf;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How the parts of a split model are called: {@code PREFIX-00001-of-00003.gguf} (llama.h, llama_split_path).
 *
 * @param index from 0
 */
public record SplitName(String prefix, int index, int count) {
    /** {@code split.count} is a UINT16. */
    public static final int MOST_PARTS = 65_535;

    private static final Pattern PART = Pattern.compile("(.+)-(\\d{5})-of-(\\d{5})\\.gguf", Pattern.DOTALL);

    /** Empty for a name of another form. */
    public static Optional<SplitName> of(Path path) {
        Matcher matcher = PART.matcher(String.valueOf(path.getFileName()));
        return matcher.matches()
                ? Optional.of(new SplitName(
                        matcher.group(1), Integer.parseInt(matcher.group(2)) - 1, Integer.parseInt(matcher.group(3))))
                : Optional.empty();
    }

    public static String format(String prefix, int index, int count) {
        return String.format(Locale.ROOT, "%s-%05d-of-%05d.gguf", prefix, index + 1, count);
    }

    /** Where a part goes when the user named the output {@code target}, with or without its {@code .gguf}. */
    public static Path part(Path target, int index, int count) {
        String name = String.valueOf(target.getFileName());
        String prefix = name.endsWith(".gguf") ? name.substring(0, name.length() - ".gguf".length()) : name;
        return target.resolveSibling(format(prefix, index, count));
    }

    /** Another part, beside the one of this name. */
    Path sibling(Path part, int otherIndex) {
        return part.resolveSibling(format(prefix, otherIndex, count));
    }
}
