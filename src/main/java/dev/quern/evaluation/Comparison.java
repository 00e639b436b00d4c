package dev.quern.evaluation;

import dev.quern.concurrent.Workers;
import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Candidates beside their base, all on the same windows in one run. The base is a model, whose log probabilities are
 * compared as they are, or a {@link BaseFile}, whose 16-bit ones are compared as llama-perplexity does. Logits of some
 * hundred positions are held at a time, never those of the text.
 *
 * <p>{@link #soFar} may be asked from any thread while {@link #run} works.
 */
public final class Comparison {
    /** Bytes that the logits of base and candidate may take together, unless a tile of positions needs more. */
    private static final long LOGITS_MEMORY = 128L << 20;

    /** The peer leaves out tokens that the base finds less probable than e^-16. */
    private static final float PEERS_THRESHOLD = -16;

    /** What is known when a window is done: figures up to and with it, for each candidate. */
    public record Progress(int windowsDone, int windows, List<DivergenceEstimates> estimates, double secondsLeft) {}

    @FunctionalInterface
    public interface Listener {
        /** Called once for each window, in order, on the caller's thread. */
        void windowDone(Progress progress);
    }

    /**
     * @param windows that have been scored
     * @param divergences one for each candidate, in order
     * @param pairs every two candidates
     * @param seconds time of the evaluation, without tokenizing
     */
    public record Result(int windows, List<Divergence> divergences, List<PairedDifference> pairs, double seconds) {}

    private final Windows windows;
    private final @Nullable Forward model;
    private final @Nullable BaseFile file;
    private final List<Forward> candidates;
    private final int vocabulary;
    private final int batch;
    private final int rowsAtOnce;
    private final float[] baseLogits;
    private final float[] baseShifts;
    private final float[] baseImprobability;
    private final float[] logits;
    private final List<Scores> scores = new ArrayList<>();
    private final List<DivergenceSums> sums = new ArrayList<>();
    private final long start = System.nanoTime();
    private @Nullable OutputFile saved;
    private volatile int done;

    private Comparison(
            Windows windows,
            @Nullable Forward model,
            @Nullable BaseFile file,
            List<Forward> candidates,
            int vocabulary) {
        this.windows = windows;
        this.model = model;
        this.file = file;
        this.candidates = List.copyOf(candidates);
        this.vocabulary = vocabulary;
        int inFlight = model == null ? Integer.MAX_VALUE : model.windowsInFlight();
        for (Forward candidate : candidates) {
            requireFit(candidate, windows, vocabulary);
            inFlight = Math.min(inFlight, candidate.windowsInFlight());
        }
        this.batch = Math.min(inFlight, windows.count());
        long tiles = LOGITS_MEMORY / (2L * Float.BYTES * vocabulary * Scratch.TOKENS);
        long rows = Math.min(Math.max(1, tiles) * Scratch.TOKENS, (long) batch * windows.scored());
        this.rowsAtOnce = Math.toIntExact(rows);
        this.baseLogits = new float[Math.multiplyExact(rowsAtOnce, vocabulary)];
        this.logits = candidates.isEmpty() ? new float[0] : new float[baseLogits.length];
        this.baseShifts = new float[rowsAtOnce];
        int positions = Math.multiplyExact(windows.count(), windows.scored());
        this.baseImprobability = new float[positions];
        for (int i = 0; i < candidates.size(); i++) {
            scores.add(new Scores(positions));
            sums.add(new DivergenceSums());
        }
    }

    /**
     * @param base made for windows of this length
     * @param candidates made for the same, with the same vocabulary; none when only a base file is wanted
     * @throws InputException when the text holds a token that the models have not
     */
    public static Comparison of(Windows windows, Forward base, List<Forward> candidates) {
        windows.requireVocabulary(base.vocabulary());
        requireFit(base, windows, base.vocabulary());
        return new Comparison(windows, base, null, candidates, base.vocabulary());
    }

    /** @param windows those of the file, see {@link BaseFile#windows} */
    public static Comparison of(Windows windows, BaseFile base, List<Forward> candidates) {
        return new Comparison(windows, null, base, candidates, base.vocabulary());
    }

    private static void requireFit(Forward forward, Windows windows, int vocabulary) {
        if (forward.window() != windows.length() || forward.vocabulary() != vocabulary) {
            throw new IllegalArgumentException(
                    "windows of " + forward.window() + ", a vocabulary of " + forward.vocabulary());
        }
    }

    /** Bytes of the file that {@link #saveTo} fills. */
    public static long baseFileSize(Windows windows, int vocabulary) {
        return BaseFile.size(windows.length(), vocabulary, windows.count());
    }

    /** Has the base's log probabilities written as llama-perplexity would; the caller commits when {@link #run} is done. */
    public void saveTo(OutputFile output) {
        saved = output;
        output.write(ByteBuffer.wrap(BaseFile.head(windows, vocabulary)), 0);
    }

    /** @throws InputException when a model's logits are not finite, or a row of the base file cannot be */
    public Result run(Listener listener) {
        while (done < windows.count()) {
            int count = Math.min(batch, windows.count() - done);
            evaluate(done, count);
            for (int i = 0; i < count; i++) {
                int from = done * windows.scored();
                List<DivergenceEstimates> estimates = new ArrayList<>();
                for (int candidate = 0; candidate < candidates.size(); candidate++) {
                    sums.get(candidate).add(baseImprobability, scores.get(candidate), from, from + windows.scored());
                    estimates.add(sums.get(candidate).estimates());
                }
                // Published: what lies before is complete.
                int finished = done + 1;
                done = finished;
                double left = seconds() / finished * (windows.count() - finished);
                listener.windowDone(new Progress(finished, windows.count(), estimates, left));
            }
        }
        return soFar();
    }

    /** The figures of the windows that are done. */
    public Result soFar() {
        int complete = done;
        List<Divergence> divergences = new ArrayList<>();
        List<PairedDifference> pairs = new ArrayList<>();
        if (complete > 0) {
            for (int i = 0; i < scores.size(); i++) {
                divergences.add(Divergence.of(baseImprobability, scores.get(i), complete, windows.scored()));
                for (int j = i + 1; j < scores.size(); j++) {
                    pairs.add(PairedDifference.of(i, scores.get(i), j, scores.get(j), complete, windows.scored()));
                }
            }
        }
        return new Result(complete, divergences, pairs, seconds());
    }

    private void evaluate(int from, int count) {
        int[] input = windows.input(from, count);
        int[] targets = windows.targets(from, count);
        int asked = windows.length() - 1;
        var baseStates = model == null ? null : model.states(input, windows.first(), asked);
        var states = candidates.stream()
                .map(candidate -> candidate.states(input, windows.first(), asked))
                .toList();
        for (int first = 0; first < targets.length; first += rowsAtOnce) {
            int rows = Math.min(rowsAtOnce, targets.length - first);
            int position = from * windows.scored() + first;
            if (model != null && baseStates != null) {
                model.logits(baseStates, first, rows, baseLogits);
                shiftBase(position, rows);
            } else {
                readBase(position, rows);
            }
            int begin = first;
            workers().each(rows, (row, worker) -> {
                int at = row * vocabulary + targets[begin + row];
                baseImprobability[position + row] = baseShifts[row] - baseLogits[at];
            });
            save(position, rows);
            for (int i = 0; i < candidates.size(); i++) {
                candidates.get(i).logits(states.get(i), first, rows, logits);
                compare(scores.get(i), targets, first, position, rows);
            }
        }
    }

    private Workers workers() {
        return model == null ? candidates.getFirst().workers() : model.workers();
    }

    /** Rows of log probabilities: nothing is left to subtract. */
    private void readBase(int position, int rows) {
        BaseFile base = java.util.Objects.requireNonNull(file);
        short[][] codes = new short[workers().threads()][vocabulary];
        workers().each(rows, (row, worker) -> {
            base.read(position + row, codes[worker], baseLogits, row * vocabulary);
            baseShifts[row] = 0;
        });
    }

    private void shiftBase(int position, int rows) {
        float[][] lanes = new float[workers().threads()][8];
        workers().each(rows, (row, worker) -> {
            int at = row * vocabulary;
            float max = Exponential.max(baseLogits, at, vocabulary);
            float shift = shift(baseLogits, at, max, lanes[worker]);
            requireFinite(position + row, shift);
            baseShifts[row] = shift;
        });
    }

    /** ln Σ e^value, rounded to float as the peer does. */
    private float shift(float[] values, int at, float max, float[] lanes) {
        return max + (float) Math.log(LogProbabilities.sumOfExponentials(values, at, vocabulary, max, lanes));
    }

    private void requireFinite(int position, float shift) {
        if (!Float.isFinite(shift)) {
            throw Perplexity.notFinite(windows, position / windows.scored(), position % windows.scored());
        }
    }

    private void compare(Scores out, int[] targets, int first, int position, int rows) {
        float[][] lanes = new float[workers().threads()][8];
        workers().each(rows, (row, worker) -> {
            int at = row * vocabulary;
            float[] mine = lanes[worker];
            int target = targets[first + row];
            if (file == null) {
                float shift = shift(logits, at, Exponential.max(logits, at, vocabulary), mine);
                requireFinite(position + row, shift);
                out.divergence[position + row] = (float) LogProbabilities.divergence(
                        baseLogits, at, baseShifts[row], logits, at, shift, vocabulary, mine);
                out.improbability[position + row] = shift - logits[at + target];
                finish(baseLogits, baseShifts[row], logits, at, vocabulary, target, out, position + row);
            } else {
                float mass = compareAsPeer(baseLogits, logits, at, vocabulary, target, out, position + row);
                requireFinite(position + row, out.improbability[position + row]);
                file.requireMass(position + row, mass);
            }
        });
    }

    /**
     * One position beside a row of a base file, with the peer's operations in the peer's order.
     *
     * @param base log probabilities, from {@code at} on as the logits
     * @return the probability of all tokens that count together
     */
    static float compareAsPeer(
            float[] base, float[] logits, int at, int vocabulary, int target, Scores out, int position) {
        float max = Exponential.max(logits, at, vocabulary);
        float shift = max + (float) Math.log(LogProbabilities.peersSum(logits, at, vocabulary, max));
        float[] mass = new float[1];
        out.divergence[position] = (float)
                LogProbabilities.peersDivergence(base, at, logits, at, shift, vocabulary, PEERS_THRESHOLD, mass);
        out.improbability[position] = shift - logits[at + target];
        finish(base, 0, logits, at, vocabulary, target, out, position);
        return mass[0];
    }

    private static void finish(
            float[] base,
            float baseShift,
            float[] logits,
            int at,
            int vocabulary,
            int target,
            Scores out,
            int position) {
        float baseImprobability = baseShift - base[at + target];
        out.probabilityChange[position] =
                (float) Math.exp(-out.improbability[position]) - (float) Math.exp(-baseImprobability);
        out.sameTop[position] = top(logits, at, vocabulary) == top(base, at, vocabulary);
    }

    private static int top(float[] values, int at, int vocabulary) {
        return LogProbabilities.indexOfMax(values, at, vocabulary, Exponential.max(values, at, vocabulary));
    }

    private void save(int position, int rows) {
        OutputFile output = saved;
        if (output == null) {
            return;
        }
        long bytes = LogProbabilities.rowBytes(vocabulary);
        long begin = BaseFile.HEADER + 4L * windows.count() * windows.length();
        workers().each(rows, (row, worker) -> {
            byte[] encoded = new byte[Math.toIntExact(bytes)];
            LogProbabilities.encode(baseLogits, row * vocabulary, vocabulary, MemorySegment.ofArray(encoded));
            output.write(ByteBuffer.wrap(encoded), begin + (position + row) * bytes);
        });
    }

    private double seconds() {
        return (System.nanoTime() - start) / 1e9;
    }
}
