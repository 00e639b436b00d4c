package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import org.junit.jupiter.api.Test;

class ModelfileTest {
    private static final String CHATML = """
        {% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] \
        + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
        """;

    @Test
    void aModelWithoutTemplate() {
        Modelfile made = Modelfile.of(new GgufMetadata(), "a.gguf");
        assertThat(made.text()).isEqualTo("FROM ./a.gguf\n");
        assertThat(made.leftOut()).containsExactly("TEMPLATE: the checkpoint has no chat template");
    }

    @Test
    void parametersAndTheTemplateThatHasACounterpart() {
        GgufMetadata metadata = new GgufMetadata()
                .put("general.sampling.temp", GgufValue.f32(0.6f))
                .put("general.sampling.top_k", GgufValue.i32(20))
                .put("general.sampling.mirostat", GgufValue.i32(2))
                .put("tokenizer.chat_template", GgufValue.text(CHATML));
        Modelfile made = Modelfile.of(metadata, "a model.gguf");
        assertThat(made.text()).isEqualTo("""
            FROM "./a model.gguf"
            TEMPLATE \"""{{ range .Messages }}<|im_start|>{{ .Role }}
            {{ .Content }}<|im_end|>
            {{ end }}<|im_start|>assistant
            \"""
            PARAMETER stop "<|im_end|>"
            PARAMETER temperature 0.6
            PARAMETER top_k 20
            """);
        assertThat(made.leftOut()).containsExactly("general.sampling.mirostat: Ollama has no such parameter");
    }

    @Test
    void anotherTemplateIsLeftOutAndSaid() {
        GgufMetadata metadata =
                new GgufMetadata().put("tokenizer.chat_template", GgufValue.text(CHATML.replace("role", "rôle")));
        Modelfile made = Modelfile.of(metadata, "a.gguf");
        assertThat(made.text()).doesNotContain("TEMPLATE");
        assertThat(made.leftOut()).singleElement().asString().contains("no exact counterpart");
    }
}
