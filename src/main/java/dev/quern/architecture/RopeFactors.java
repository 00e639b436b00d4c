package dev.quern.architecture;

import dev.quern.checkpoint.ModelConfig;
import dev.quern.tensor.Computed;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import java.util.OptionalDouble;

/**
 * Llama 3.1's rope factors: one divisor for each rotated pair. High frequencies stay (1), low ones are stretched by
 * {@code factor}, those between are blended. The rule is Meta's (llama-models, apply_scaling); the peer writes the
 * result as {@code rope_freqs.weight}.
 */
final class RopeFactors {
    private RopeFactors() {}

    static Computed llama3(String name, ModelConfig config, long headSize) {
        double base = real(config, "rope_theta", 10000.0);
        double factor = real(config, "factor", 8);
        double low = real(config, "low_freq_factor", 1);
        double high = real(config, "high_freq_factor", 4);
        double context = real(config, "original_max_position_embeddings", 8192);
        float[] factors = new float[Math.toIntExact(headSize / 2)];
        for (int pair = 0; pair < factors.length; pair++) {
            // In float throughout, as torch computes with float tensors and Python's numbers.
            float exponent = 2f * pair / headSize;
            float frequency = 1f / (float) Math.pow(base, exponent);
            float wavelength = (float) (2 * Math.PI) / frequency;
            if (wavelength < (float) (context / high)) {
                factors[pair] = 1;
            } else if (wavelength > (float) (context / low)) {
                factors[pair] = (float) factor;
            } else {
                float smooth = ((float) context / wavelength - (float) low) / (float) (high - low);
                factors[pair] = 1 / ((1 - smooth) / (float) factor + smooth);
            }
        }
        return new Computed(new TensorInfo(name, DType.F32, Shape.of(factors.length)), factors);
    }

    private static double real(ModelConfig config, String field, double fallback) {
        for (String parent :
                new String[] {"rope_parameters.full_attention.", "rope_parameters.", "rope_scaling.", ""}) {
            OptionalDouble value = config.real(parent + field);
            if (value.isPresent()) {
                return value.getAsDouble();
            }
        }
        return fallback;
    }
}
