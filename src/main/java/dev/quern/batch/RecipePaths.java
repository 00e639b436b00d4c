package dev.quern.batch;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Paths as recipes write them: relative to the recipe, with variables from the environment, some with wildcards. */
record RecipePaths(Path directory, Map<String, String> environment) {
    private static final Pattern VARIABLE =
            Pattern.compile("\\$(?:\\$|\\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\\})|\\$");

    /** A path that cannot be understood; the message says what was expected. */
    static final class Unreadable extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Unreadable(String problem) {
            super(problem);
        }
    }

    /** @throws Unreadable when a variable is not set, or the text is no path */
    Path path(String text) {
        try {
            return directory.resolve(filled(text)).normalize();
        } catch (InvalidPathException e) {
            throw new Unreadable("expected a path, found '" + text + "'");
        }
    }

    /**
     * What a path with wildcards stands for, in order; one without stands for itself.
     *
     * @throws Unreadable when nothing is there
     */
    List<Path> matches(String text) {
        String filled = filled(text);
        if (!hasWildcard(filled)) {
            Path path = path(text);
            if (!Files.exists(path)) {
                throw new Unreadable("expected a file or directory, found nothing at " + path);
            }
            return List.of(path);
        }
        // The part before the first wildcard's directory is taken as it is, whatever characters it holds.
        int wildcard = firstWildcard(filled);
        int slash = filled.lastIndexOf('/', wildcard);
        Path base = directory
                .resolve(slash < 0 ? "" : filled.substring(0, slash + 1))
                .normalize();
        String pattern = filled.substring(slash + 1);
        int depth = pattern.contains("**") ? Integer.MAX_VALUE : pattern.split("/").length;
        PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
        try (Stream<Path> paths = Files.isDirectory(base) ? Files.walk(base, depth) : Stream.empty()) {
            List<Path> found = paths.filter(path -> !path.equals(base) && matcher.matches(base.relativize(path)))
                    .filter(path -> !path.getFileName().toString().startsWith("."))
                    .sorted()
                    .toList();
            if (found.isEmpty()) {
                throw new Unreadable("expected at least one match, found none for " + base.resolve(pattern));
            }
            return found;
        } catch (IOException | UncheckedIOException e) {
            throw new Unreadable(base + " cannot be searched: " + e.getMessage());
        }
    }

    private static boolean hasWildcard(String text) {
        return firstWildcard(text) < text.length();
    }

    private static int firstWildcard(String text) {
        int at = 0;
        while (at < text.length() && "*?[{".indexOf(text.charAt(at)) < 0) {
            at++;
        }
        return at;
    }

    private String filled(String text) {
        Matcher matcher = VARIABLE.matcher(text);
        StringBuilder out = new StringBuilder();
        while (matcher.find()) {
            matcher.appendReplacement(out, Matcher.quoteReplacement(value(text, matcher)));
        }
        return matcher.appendTail(out).toString();
    }

    private String value(String text, Matcher matcher) {
        String name = matcher.group(1);
        if (name == null) {
            if (matcher.group().equals("$$")) {
                return "$";
            }
            throw new Unreadable("expected ${NAME} or $$ after a dollar sign, found '" + text + "'");
        }
        String value = environment.get(name);
        if (value != null && !value.isEmpty()) {
            return value;
        }
        if (matcher.group(2) != null) {
            return matcher.group(3);
        }
        throw new Unreadable("expected the environment variable " + name + ", found none");
    }
}
