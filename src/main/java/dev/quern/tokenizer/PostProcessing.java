package dev.quern.tokenizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.node.StringNode;

/**
 * What tokenizer.json's post-processor says about special tokens: which it puts around a text and between two. Read as
 * gguf-py reads it, from simple templates only. An empty {@code config} stands for none.
 */
final class PostProcessing {
    private final ObjectNode config;
    private final List<String> roles;
    private final Map<String, Boolean> added;
    private final boolean configured;
    private JsonNode bos;
    private JsonNode eos;
    private JsonNode cls;
    private JsonNode sep;

    private PostProcessing(ObjectNode config, List<String> roles, Map<String, Boolean> added) {
        this.config = config;
        this.roles = roles;
        this.added = added;
        configured = !config.isEmpty();
        bos = config.path("bos_token");
        eos = config.path("eos_token");
        cls = config.path("cls_token");
        sep = config.path("sep_token");
    }

    /**
     * @param config tokenizer_config.json; tokens that it lacks and the post-processor names are put into it
     * @param roles the roles to look for; a token that ends a text without being its end adds one
     * @param added which special tokens are added to a text, by role
     */
    static void read(ObjectNode tokenizer, ObjectNode config, List<String> roles, Map<String, Boolean> added) {
        new PostProcessing(config, roles, added).read(tokenizer.path("post_processor"));
    }

    private void read(JsonNode processor) {
        if (!isSet(bos) && isSet(cls)) {
            bos = cls;
            config.set("bos_token", bos);
        }
        if (!isSet(eos) && isSet(sep)) {
            eos = sep;
            config.set("eos_token", eos);
        }
        JsonNode several = processor.path("processors");
        for (JsonNode one : several.isArray() ? elements(several) : List.of(processor)) {
            switch (one.path("type").asString("")) {
                case "RobertaProcessing" -> readRoberta(one);
                case "TemplateProcessing" -> readTemplate(one);
                default -> {
                    // Others add no tokens.
                }
            }
        }
    }

    private void readRoberta(JsonNode processor) {
        added.put("bos", true);
        added.put("eos", true);
        added.put("sep", true);
        if (!isSet(cls) && configured) {
            cls = processor.has("cls") ? processor.path("cls").path(0) : bos;
            config.set("cls_token", cls);
        }
        if (!isSet(sep) && configured) {
            sep = processor.has("sep") ? processor.path("sep").path(0) : eos;
            config.set("sep_token", sep);
        }
    }

    private void readTemplate(JsonNode template) {
        List<JsonNode> single = elements(template.path("single"));
        String first = "";
        String last = "";
        if (single.size() > 1) {
            first = special(single.getFirst());
            last = special(single.getLast());
        }
        if (!first.isEmpty()) {
            if (!configured) {
                bos = StringNode.valueOf(first);
            } else if (!is(bos, first) && !is(cls, first)) {
                if (!isSet(bos)) {
                    bos = StringNode.valueOf(first);
                    config.set("bos_token", bos);
                }
                if (!isSet(cls)) {
                    cls = StringNode.valueOf(first);
                    config.set("cls_token", cls);
                }
            }
            added.put("bos", is(bos, first) || is(cls, first));
        }
        if (!last.isEmpty()) {
            if (configured && !is(eos, last)) {
                renameEnd();
            }
            eos = StringNode.valueOf(last);
            if (configured) {
                config.set("eos_token", eos);
            }
            added.put("eos", true);
        }
        List<JsonNode> pair = elements(template.path("pair"));
        int from =
                !pair.isEmpty() && !first.isEmpty() && special(pair.getFirst()).equals(first) ? 1 : 0;
        int to = pair.size()
                - (!pair.isEmpty() && !last.isEmpty() && special(pair.getLast()).equals(last) ? 1 : 0);
        if (from < to) {
            readPair(pair.subList(from, to), !last.isEmpty());
        }
    }

    /** The template ends a text with another token than the configuration: that one is then the end of a turn. */
    private void renameEnd() {
        for (String role : List.of("eot", "eom")) {
            if (!roles.contains(role)) {
                roles.add(role);
                config.set(role + "_token", eos);
                return;
            }
        }
    }

    private void readPair(List<JsonNode> pair, boolean endsWithSpecial) {
        if (!sequence(pair.getFirst()).equals("A") || !sequence(pair.getLast()).equals("B") || pair.size() < 3) {
            return;
        }
        List<JsonNode> between = pair.subList(1, pair.size() - 1);
        boolean separates = !endsWithSpecial && ends(special(between.getFirst()))
                || between.size() == 2 && ends(special(between.getLast()));
        added.put("sep", separates);
        if (separates && !isSet(sep) && configured) {
            config.set("sep_token", eos);
        }
    }

    private boolean ends(String token) {
        return !token.isEmpty() && (is(sep, token) || is(eos, token));
    }

    private static List<JsonNode> elements(JsonNode array) {
        return array.isArray() ? new ArrayList<>(array.values()) : List.of();
    }

    private static String special(JsonNode part) {
        return part.path("SpecialToken").path("id").asString("");
    }

    private static String sequence(JsonNode part) {
        return part.path("Sequence").path("id").asString("");
    }

    private static boolean isSet(JsonNode token) {
        return token.isString() && !token.stringValue().isEmpty() || token.isObject() && !token.isEmpty();
    }

    private static boolean is(JsonNode token, String text) {
        return token.isString() && token.stringValue().equals(text);
    }
}
