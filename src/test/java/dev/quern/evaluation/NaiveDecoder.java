package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.tensor.TensorSource;

/** The same decoder in double, one token and one number at a time: written from the formulas, sharing no code. */
final class NaiveDecoder {
    private final Model model;

    NaiveDecoder(Model model) {
        this.model = model;
    }

    /** Logits of every position. */
    double[][] logits(int[] tokens) {
        int blocks = (int) integer("block_count");
        double[][] x = new double[tokens.length][];
        double[][] embedding = matrix("token_embd.weight");
        for (int i = 0; i < tokens.length; i++) {
            x[i] = embedding[tokens[i]].clone();
        }
        for (int block = 0; block < blocks; block++) {
            String prefix = "blk." + block + ".";
            double[][] attended = attention(prefix, normed(x, prefix + "attn_norm.weight"));
            addTo(x, times(attended, matrix(prefix + "attn_output.weight")));
            double[][] y = normed(x, prefix + "ffn_norm.weight");
            double[][] gate = times(y, matrix(prefix + "ffn_gate.weight"));
            double[][] up = times(y, matrix(prefix + "ffn_up.weight"));
            for (int i = 0; i < gate.length; i++) {
                for (int j = 0; j < gate[i].length; j++) {
                    gate[i][j] = gate[i][j] / (1 + Math.exp(-gate[i][j])) * up[i][j];
                }
            }
            addTo(x, times(gate, matrix(prefix + "ffn_down.weight")));
        }
        String output = model.tensors().get("output.weight").isPresent() ? "output.weight" : "token_embd.weight";
        return times(normed(x, "output_norm.weight"), matrix(output));
    }

    private double[][] attention(String prefix, double[][] x) {
        int heads = (int) integer("attention.head_count");
        int shared = heads / (int) integer("attention.head_count_kv");
        double[][] q = times(x, matrix(prefix + "attn_q.weight"));
        double[][] k = times(x, matrix(prefix + "attn_k.weight"));
        double[][] v = times(x, matrix(prefix + "attn_v.weight"));
        int d = q[0].length / heads;
        double[][] out = new double[x.length][heads * d];
        for (int t = 0; t < x.length; t++) {
            for (int head = 0; head < heads; head++) {
                double[] weights = new double[t + 1];
                double sum = 0;
                for (int s = 0; s <= t; s++) {
                    double[] a = rotated(q[t], head * d, d, t);
                    double[] b = rotated(k[s], head / shared * d, d, s);
                    double dot = 0;
                    for (int i = 0; i < d; i++) {
                        dot += a[i] * b[i];
                    }
                    weights[s] = Math.exp(dot / Math.sqrt(d));
                    sum += weights[s];
                }
                for (int s = 0; s <= t; s++) {
                    for (int i = 0; i < d; i++) {
                        out[t][head * d + i] += weights[s] / sum * v[s][head / shared * d + i];
                    }
                }
            }
        }
        return out;
    }

    private double[] rotated(double[] row, int at, int d, int position) {
        double[] head = new double[d];
        System.arraycopy(row, at, head, 0, d);
        int rotated =
                (int) model.metadata().integer("llama.rope.dimension_count").orElse(d);
        double base = model.metadata().real("llama.rope.freq_base").orElse(10000);
        double factor = model.metadata().real("llama.rope.scaling.factor").orElse(1);
        double[][] divisors = model.tensors().get("rope_freqs.weight").isPresent() ? matrix("rope_freqs.weight") : null;
        for (int i = 0; i < rotated; i += 2) {
            double angle = position / factor / Math.pow(base, (double) i / rotated);
            if (divisors != null) {
                angle /= divisors[0][i / 2];
            }
            double even = head[i];
            double odd = head[i + 1];
            head[i] = even * Math.cos(angle) - odd * Math.sin(angle);
            head[i + 1] = even * Math.sin(angle) + odd * Math.cos(angle);
        }
        return head;
    }

    private double[][] normed(double[][] x, String weightName) {
        double[] weight = matrix(weightName)[0];
        double epsilon =
                model.metadata().real("llama.attention.layer_norm_rms_epsilon").orElseThrow();
        double[][] out = new double[x.length][];
        for (int i = 0; i < x.length; i++) {
            double squares = 0;
            for (double value : x[i]) {
                squares += value * value;
            }
            out[i] = x[i].clone();
            for (int j = 0; j < out[i].length; j++) {
                out[i][j] *= weight[j] / Math.sqrt(squares / out[i].length + epsilon);
            }
        }
        return out;
    }

    private static double[][] times(double[][] x, double[][] weights) {
        double[][] out = new double[x.length][weights.length];
        for (int i = 0; i < x.length; i++) {
            for (int j = 0; j < weights.length; j++) {
                for (int k = 0; k < x[i].length; k++) {
                    out[i][j] += x[i][k] * weights[j][k];
                }
            }
        }
        return out;
    }

    private static void addTo(double[][] x, double[][] y) {
        for (int i = 0; i < x.length; i++) {
            for (int j = 0; j < x[i].length; j++) {
                x[i][j] += y[i][j];
            }
        }
    }

    private double[][] matrix(String name) {
        TensorSource source = model.tensors().get(name).orElseThrow();
        int rows = (int) source.info().shape().rows();
        int columns = (int) source.info().shape().rowLength();
        double[][] out = new double[rows][columns];
        float[] row = new float[columns];
        for (int i = 0; i < rows; i++) {
            source.readRows(i, 1, row, 0);
            for (int j = 0; j < columns; j++) {
                out[i][j] = row[j];
            }
        }
        return out;
    }

    private long integer(String key) {
        return model.metadata().integer("llama." + key).orElseThrow();
    }
}
