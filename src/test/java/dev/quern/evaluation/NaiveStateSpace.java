package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.gguf.GgufValue;
import dev.quern.tensor.TensorSource;
import java.util.LinkedHashMap;
import java.util.Map;

/** Mamba in double, token by token and number by number: written from the paper's formulas, sharing no code. */
final class NaiveStateSpace {
    private final Model model;

    /** For each matrix and each of its columns: the sum of x² of what goes in. */
    final Map<String, double[]> squares = new LinkedHashMap<>();

    NaiveStateSpace(Model model) {
        this.model = model;
    }

    /** Logits of every position. */
    double[][] logits(int[] tokens) {
        double[][] embedding = matrix("token_embd.weight");
        double[][] x = new double[tokens.length][];
        for (int i = 0; i < tokens.length; i++) {
            x[i] = embedding[tokens[i]].clone();
        }
        for (int block = 0; block < integer("block_count"); block++) {
            add(x, "blk." + block + ".");
        }
        double[][] logits = new double[x.length][];
        for (int t = 0; t < x.length; t++) {
            logits[t] = product(normed(x[t], matrix("output_norm.weight")[0]), embedding);
        }
        return logits;
    }

    private void add(double[][] x, String prefix) {
        int kernel = integer("ssm.conv_kernel");
        int inner = integer("ssm.inner_size");
        int states = integer("ssm.state_size");
        int rank = integer("ssm.time_step_rank");
        boolean norms =
                ((GgufValue.Bool) model.metadata().get("mamba.ssm.dt_b_c_rms").orElseThrow()).value();
        double[][] filter = matrix(prefix + "ssm_conv1d.weight");
        double[] filterBias = matrix(prefix + "ssm_conv1d.bias")[0];
        double[] stepBias = matrix(prefix + "ssm_dt.bias")[0];
        double[][] a = matrix(prefix + "ssm_a");
        double[] d = matrix(prefix + "ssm_d")[0];
        double[][] given = new double[x.length][];
        double[][] h = new double[inner][states];
        for (int t = 0; t < x.length; t++) {
            given[t] = times(normed(x[t], matrix(prefix + "attn_norm.weight")[0]), prefix + "ssm_in.weight");
            double[] u = new double[inner];
            for (int c = 0; c < inner; c++) {
                double sum = filterBias[c];
                for (int k = 0; k < kernel; k++) {
                    int at = t - kernel + 1 + k;
                    sum += at < 0 ? 0 : filter[c][k] * given[at][c];
                }
                u[c] = sum / (1 + Math.exp(-sum));
            }
            double[] parts = times(u, prefix + "ssm_x.weight");
            double[] steps = part(parts, 0, rank, norms);
            double[] in = part(parts, rank, states, norms);
            double[] out = part(parts, rank + states, states, norms);
            double[] wide = times(steps, prefix + "ssm_dt.weight");
            double[] y = new double[inner];
            for (int c = 0; c < inner; c++) {
                double step = Math.log(1 + Math.exp(wide[c] + stepBias[c]));
                y[c] = d[c] * u[c];
                for (int n = 0; n < states; n++) {
                    h[c][n] = Math.exp(step * a[c][n]) * h[c][n] + step * in[n] * u[c];
                    y[c] += out[n] * h[c][n];
                }
                double z = given[t][inner + c];
                y[c] *= z / (1 + Math.exp(-z));
            }
            double[] added = times(y, prefix + "ssm_out.weight");
            for (int i = 0; i < added.length; i++) {
                x[t][i] += added[i];
            }
        }
    }

    private double[] part(double[] parts, int from, int count, boolean norms) {
        double[] part = java.util.Arrays.copyOfRange(parts, from, from + count);
        double[] ones = new double[count];
        java.util.Arrays.fill(ones, 1);
        return norms ? normed(part, ones) : part;
    }

    private double[] normed(double[] x, double[] weight) {
        double epsilon = model.metadata()
                .get("mamba.attention.layer_norm_rms_epsilon")
                .map(value -> ((GgufValue.Real) value).value())
                .orElseThrow();
        double sum = 0;
        for (double value : x) {
            sum += value * value;
        }
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = x[i] / Math.sqrt(sum / x.length + epsilon) * weight[i];
        }
        return y;
    }

    private double[] times(double[] x, String name) {
        double[] sums = squares.computeIfAbsent(name, ignored -> new double[x.length]);
        for (int i = 0; i < x.length; i++) {
            sums[i] += x[i] * x[i];
        }
        return product(x, matrix(name));
    }

    private static double[] product(double[] x, double[][] rows) {
        double[] y = new double[rows.length];
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < x.length; j++) {
                y[i] += rows[i][j] * x[j];
            }
        }
        return y;
    }

    private double[][] matrix(String name) {
        TensorSource source = model.tensors().get(name).orElseThrow();
        int rows = (int) source.info().shape().rows();
        int columns = (int) source.info().shape().rowLength();
        double[][] matrix = new double[rows][columns];
        float[] row = new float[columns];
        for (int i = 0; i < rows; i++) {
            source.readRows(i, 1, row, 0);
            for (int j = 0; j < columns; j++) {
                matrix[i][j] = row[j];
            }
        }
        return matrix;
    }

    private int integer(String name) {
        return (int) model.metadata().integer("mamba." + name).orElseThrow();
    }
}
