package dev.quern.pipeline;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * An Ollama Modelfile beside a GGUF: where the model is, the sampling parameters that its makers chose, and its chat
 * template where that has an exact counterpart.
 *
 * @param text of the Modelfile
 * @param leftOut what the checkpoint says and the Modelfile does not, and why; a line each
 */
public record Modelfile(String text, List<String> leftOut) {
    /** GGUF's name and Ollama's. Others are no parameters of a Modelfile. */
    private static final Map<String, String> SAMPLING = sampling();

    /** ChatML as Jinja, the way tokenizer configurations have it, without white space at its ends. */
    private static final String CHATML = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
            + "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
            + "{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private static final String CHATML_FOR_OLLAMA = """
        {{ range .Messages }}<|im_start|>{{ .Role }}
        {{ .Content }}<|im_end|>
        {{ end }}<|im_start|>assistant
        """;

    public Modelfile {
        leftOut = List.copyOf(leftOut);
    }

    private static Map<String, String> sampling() {
        Map<String, String> names = new LinkedHashMap<>();
        names.put("temp", "temperature");
        names.put("top_k", "top_k");
        names.put("top_p", "top_p");
        names.put("min_p", "min_p");
        names.put("penalty_repeat", "repeat_penalty");
        names.put("penalty_last_n", "repeat_last_n");
        return names;
    }

    /** @param file the GGUF's name, beside which the Modelfile will lie */
    public static Modelfile of(GgufMetadata metadata, String file) {
        List<String> leftOut = new ArrayList<>();
        StringBuilder out =
                new StringBuilder("FROM ").append(quoted("./" + file)).append('\n');
        template(metadata, out, leftOut);
        metadata.asMap().forEach((key, value) -> {
            if (!key.startsWith("general.sampling.")) {
                return;
            }
            String name = SAMPLING.get(key.substring("general.sampling.".length()));
            Optional<String> number = number(value);
            if (name == null || number.isEmpty()) {
                leftOut.add(key + ": Ollama has no such parameter");
            } else {
                out.append("PARAMETER ")
                        .append(name)
                        .append(' ')
                        .append(number.get())
                        .append('\n');
            }
        });
        return new Modelfile(out.toString(), leftOut);
    }

    private static void template(GgufMetadata metadata, StringBuilder out, List<String> leftOut) {
        Optional<String> template = metadata.text("tokenizer.chat_template");
        if (template.isEmpty()) {
            leftOut.add("TEMPLATE: the checkpoint has no chat template");
        } else if (template.get().strip().equals(CHATML)) {
            out.append("TEMPLATE \"\"\"").append(CHATML_FOR_OLLAMA).append("\"\"\"\n");
            out.append("PARAMETER stop ").append(quoted("<|im_end|>")).append('\n');
        } else {
            leftOut.add(
                    "TEMPLATE: this chat template has no exact counterpart; Ollama looks for a similar one by itself");
        }
    }

    private static Optional<String> number(GgufValue value) {
        return switch (value) {
            case GgufValue.Int number -> Optional.of(Long.toString(number.value()));
            // As many digits as the float has, not those of the double it was widened to.
            case GgufValue.Real number -> Optional.of(Float.toString((float) number.value()));
            default -> Optional.empty();
        };
    }

    private static String quoted(String text) {
        boolean plain = text.chars().allMatch(c -> c > ' ' && c != '"' && c != '#');
        return plain && text.startsWith("./") ? text : "\"" + text.replace("\"", "\\\"") + "\"";
    }
}
