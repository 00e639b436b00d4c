package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.tensor.TensorSource;
import java.util.HashMap;
import java.util.Map;

/** The same decoder in double, one token and one number at a time: written from the formulas, sharing no code. */
final class NaiveDecoder {
    private final Model model;

    /** For each tensor of experts and each expert: sum of x² of what goes in, column by column. */
    final Map<String, double[][]> squares = new HashMap<>();

    /** Tokens that each expert saw. */
    final Map<String, long[]> counts = new HashMap<>();

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
            if (model.tensors().get(prefix + "ffn_gate_inp.weight").isPresent()) {
                addTo(x, experts(prefix, y));
                continue;
            }
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

    /** Mixtral: softmax over all experts, the best of them, their shares made to add up to one. */
    private double[][] experts(String prefix, double[][] x) {
        int count = (int) integer("expert_count");
        int used = (int) integer("expert_used_count");
        double[][] logits = times(x, matrix(prefix + "ffn_gate_inp.weight"));
        double[][] out = new double[x.length][x[0].length];
        for (int expert = 0; expert < count; expert++) {
            double[][] gate = part(prefix + "ffn_gate_exps.weight", expert, count);
            double[][] up = part(prefix + "ffn_up_exps.weight", expert, count);
            double[][] down = part(prefix + "ffn_down_exps.weight", expert, count);
            for (int i = 0; i < x.length; i++) {
                double[] sorted = logits[i].clone();
                java.util.Arrays.sort(sorted);
                if (logits[i][expert] < sorted[count - used]) {
                    continue;
                }
                double sum = 0;
                for (int j = count - used; j < count; j++) {
                    sum += Math.exp(sorted[j]);
                }
                double[][] row = {x[i]};
                double[][] inner = times(row, gate);
                double[][] upper = times(row, up);
                for (int j = 0; j < inner[0].length; j++) {
                    inner[0][j] = inner[0][j] / (1 + Math.exp(-inner[0][j])) * upper[0][j];
                }
                see(prefix + "ffn_gate_exps.weight", expert, count, x[i]);
                see(prefix + "ffn_up_exps.weight", expert, count, x[i]);
                see(prefix + "ffn_down_exps.weight", expert, count, inner[0]);
                double[] result = times(inner, down)[0];
                for (int j = 0; j < result.length; j++) {
                    out[i][j] += Math.exp(logits[i][expert]) / sum * result[j];
                }
            }
        }
        return out;
    }

    private void see(String name, int expert, int count, double[] row) {
        counts.computeIfAbsent(name, n -> new long[count])[expert]++;
        double[] sums = squares.computeIfAbsent(name, n -> new double[count][row.length])[expert];
        for (int i = 0; i < row.length; i++) {
            sums[i] += row[i] * row[i];
        }
    }

    private double[][] part(String name, int expert, int count) {
        double[][] all = matrix(name);
        int rows = all.length / count;
        return java.util.Arrays.copyOfRange(all, expert * rows, (expert + 1) * rows);
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
