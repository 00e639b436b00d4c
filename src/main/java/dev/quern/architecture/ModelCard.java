package dev.quern.architecture;

import dev.quern.io.InputException;
import dev.quern.io.JsonTree;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.dataformat.yaml.YAMLFactory;

/** The YAML front matter of a model's README.md, as Hugging Face's model cards have it. */
public record ModelCard(JsonNode yaml) {
    /** A card is a page of text; what is larger is not one. */
    private static final long LARGEST = 4 << 20;

    /** An empty card when there is no README.md or it has no front matter. */
    public static ModelCard read(Path directory) {
        Path file = directory.resolve("README.md");
        if (!Files.isRegularFile(file)) {
            return new ModelCard(JsonNodeFactory.instance.objectNode());
        }
        try {
            if (Files.size(file) > LARGEST) {
                throw InputException.of(
                        file, "expected a model card of at most 4 MiB, found " + Files.size(file) + " bytes");
            }
            String matter = frontMatter(Files.readString(file));
            JsonNode yaml = matter.isBlank()
                    ? null
                    : JsonTree.whole(new YAMLFactory().createParser(ObjectReadContext.empty(), matter));
            return new ModelCard(yaml != null && yaml.isObject() ? yaml : JsonNodeFactory.instance.objectNode());
        } catch (JacksonException e) {
            throw InputException.of(file, "its front matter is not YAML: " + firstLine(e.getOriginalMessage()))
                    .withHint("mend or remove the part between the two --- lines")
                    .withCause(e);
        } catch (IOException e) {
            throw InputException.of(file, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }

    private static String firstLine(String text) {
        return text.lines().findFirst().orElse("");
    }

    private static String frontMatter(String text) {
        List<String> lines = text.lines().toList();
        if (lines.isEmpty() || !lines.getFirst().equals("---")) {
            return "";
        }
        StringBuilder yaml = new StringBuilder();
        for (String line : lines.subList(1, lines.size())) {
            if (line.equals("---")) {
                break;
            }
            // Tabs are not YAML, yet cards have them; and Norway's language code is a word, not a boolean.
            yaml.append(line.replace("\t", "  ").replaceAll("^(\\s*)- no$", "$1- \"no\""))
                    .append('\n');
        }
        return yaml.toString();
    }

    /** The text under the first of the keys that is there. */
    public Optional<String> text(String... keys) {
        for (String key : keys) {
            JsonNode node = yaml.get(key);
            if (node != null && node.isValueNode() && !node.isNull()) {
                return Optional.of(node.asString());
            }
        }
        return Optional.empty();
    }

    /** A list, or a single text as a list of one; empty when the key is absent. */
    public List<String> texts(String key) {
        JsonNode node = yaml.get(key);
        List<String> texts = new ArrayList<>();
        if (node != null && node.isArray()) {
            node.forEach(element -> texts.add(element.asString()));
        } else {
            text(key).ifPresent(texts::add);
        }
        return texts;
    }
}
