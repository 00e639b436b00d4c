package dev.quern.evaluation;

import dev.quern.oracle.LlamaModel;
import java.util.Arrays;

/** What llama.cpp's own logits say, position by position, the slow way. */
final class Peers {
    private Peers() {}

    /** The candidate's scores of each window against rows of the base, from the peer's logits. */
    static Scores scores(LlamaModel model, Windows windows, BaseFile base) {
        int vocabulary = base.vocabulary();
        Scores scores = new Scores(windows.count() * windows.scored());
        short[] codes = new short[vocabulary];
        for (int window = 0; window < windows.count(); window++) {
            float[] logits = model.logits(windows.input(window, 1));
            float[] rows = new float[logits.length];
            int[] targets = windows.targets(window, 1);
            for (int i = 0; i < windows.scored(); i++) {
                int position = window * windows.scored() + i;
                int at = (windows.first() + i) * vocabulary;
                base.read(position, codes, rows, at);
                Comparison.compareAsPeer(rows, logits, at, vocabulary, targets[i], scores, position);
            }
        }
        return scores;
    }

    /** -ln p(token) of the base at each position. */
    static float[] improbabilities(Windows windows, BaseFile base) {
        float[] improbabilities = new float[windows.count() * windows.scored()];
        float[] row = new float[base.vocabulary()];
        short[] codes = new short[base.vocabulary()];
        for (int window = 0; window < windows.count(); window++) {
            int[] targets = windows.targets(window, 1);
            for (int i = 0; i < windows.scored(); i++) {
                base.read(window * windows.scored() + i, codes, row, 0);
                improbabilities[window * windows.scored() + i] = -row[targets[i]];
            }
        }
        return improbabilities;
    }

    /** ln p(target) after a position, in double from the peer's logits. */
    static double logProbability(float[] logits, int vocabulary, int position, int target) {
        double[] row = new double[vocabulary];
        for (int i = 0; i < vocabulary; i++) {
            row[i] = logits[position * vocabulary + i];
        }
        double max = Arrays.stream(row).max().orElseThrow();
        return row[target]
                - max
                - Math.log(Arrays.stream(row).map(x -> Math.exp(x - max)).sum());
    }
}
