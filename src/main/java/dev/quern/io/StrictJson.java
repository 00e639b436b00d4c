package dev.quern.io;

import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.exc.JacksonIOException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.json.JsonReadFeature;
import tools.jackson.databind.JsonNode;

/**
 * JSON from outside: valid UTF-8 and nothing else (Jackson left to itself guesses UTF-16 and skips a byte order mark),
 * one document, bounded depth. What is wrong is refused with the file's name and the place.
 */
public final class StrictJson {
    /** Configurations and headers of models are three or four levels deep. */
    private static final int MAX_DEPTH = 64;

    /** Names are not interned or pooled: they come from strangers and are used once. */
    private static final JsonFactory STREAMING = JsonFactory.builder()
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
            .build();

    /** Python's json module writes NaN and Infinity, and configurations in use hold them. */
    private static final JsonFactory TREES = STREAMING
            .rebuild()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    private StrictJson() {}

    /**
     * A parser over a region of any size. It does not look for names that come twice, because its memory would grow
     * with the input: the caller does, for the names it keeps. Its exceptions go through {@link #refused}.
     */
    public static JsonParser parser(Region region) {
        return STREAMING.createParser(ObjectReadContext.empty(), text(region));
    }

    /**
     * A whole file as a tree; no object may hold a name twice. NaN and Infinity are read.
     *
     * @param maxBytes the largest file that is read
     */
    public static JsonNode tree(MappedFile file, long maxBytes) {
        if (file.size() > maxBytes) {
            throw InputException.of(
                    file.path(), "is " + file.size() + " bytes, more than the " + maxBytes + " Quern reads as JSON");
        }
        try {
            JsonNode root = tree(file.region());
            if (root.isMissingNode()) {
                throw InputException.of(file.path(), "expected JSON, found an empty file");
            }
            return root;
        } catch (JacksonException e) {
            throw refused(file.path(), "JSON", e);
        }
    }

    /**
     * A document inside another file as a tree, as {@link #tree(MappedFile, long)} reads one.
     *
     * @throws JacksonException when it is no such document
     */
    public static JsonNode tree(Region region, long maxBytes) {
        if (region.length() > maxBytes) {
            throw InputException.of(
                    region.file().path(),
                    region.length() + " bytes of JSON are more than the " + maxBytes + " Quern reads");
        }
        return tree(region);
    }

    private static JsonNode tree(Region region) {
        return JsonTree.whole(TREES.createParser(ObjectReadContext.empty(), text(region)));
    }

    /** A document that comes with Quern. */
    public static JsonNode tree(InputStream in) {
        return JsonTree.whole(TREES.createParser(ObjectReadContext.empty(), in));
    }

    /** The refusal of JSON that cannot be parsed. */
    public static InputException refused(Path file, String where, JacksonException e) {
        if (e instanceof JacksonIOException) {
            return InputException.of(file, where, "is not valid UTF-8").withCause(e);
        }
        TokenStreamLocation place = e.getLocation();
        String at = place == null || place.getCharOffset() < 0 ? "" : " at character " + place.getCharOffset();
        return InputException.of(file, where + at, Quoted.plain(e.getOriginalMessage()))
                .withCause(e);
    }

    private static Reader text(Region region) {
        return new InputStreamReader(
                region.stream(0, region.length()),
                StandardCharsets.UTF_8
                        .newDecoder()
                        .onMalformedInput(CodingErrorAction.REPORT)
                        .onUnmappableCharacter(CodingErrorAction.REPORT));
    }
}
