package dev.quern.pipeline;

import dev.quern.io.Quoted;
import dev.quern.io.RefusedException;
import dev.quern.quantization.Mix;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/** A plan's types as the file that llama-quantize takes with --tensor-type-file: REGEX=TYPE, separated by white space. */
public final class TensorTypeFile {
    private TensorTypeFile() {}

    /**
     * An expression that is found in a tensor's name and in no other one: in the syntaxes of java.util.regex and of
     * std::regex (ECMAScript) alike, in lower case as llama-quantize makes it, without white space and equals signs,
     * which would end it. What cannot be written so is left open.
     */
    static String pattern(String name) {
        StringBuilder pattern = new StringBuilder("^");
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            boolean plain = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-';
            pattern.append(plain ? "" + c : c == '.' ? "\\." : ".");
        }
        return pattern.append('$').toString();
    }

    /**
     * A line for each tensor that is quantized or could be, whoever chose its type.
     *
     * @param plans all parts of a model
     * @throws RefusedException when two names cannot be told apart by such expressions
     */
    public static String text(Path file, List<OutputPlan> plans) {
        List<PlannedTensor> tensors =
                plans.stream().flatMap(plan -> plan.tensors().stream()).toList();
        StringBuilder text = new StringBuilder();
        for (PlannedTensor tensor : tensors) {
            if (!Mix.quantizes(tensor.name(), tensor.shape())) {
                continue;
            }
            String pattern = pattern(tensor.name());
            Pattern compiled = Pattern.compile(pattern);
            long found = tensors.stream()
                    .filter(other -> compiled.matcher(other.name()).find())
                    .count();
            if (found > 1) {
                throw new RefusedException(
                        file,
                        "no expression names tensor " + Quoted.of(tensor.name()) + " alone",
                        "leave out --save-tensor-types");
            }
            text.append(pattern).append('=').append(tensor.type()).append('\n');
        }
        return text.toString();
    }
}
