package dev.quern.evaluation;

import dev.quern.importance.ActivationSums;
import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.Source;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.Random;

/**
 * Quern's forward pass and llama_decode by turns on the same windows of one file, for scripts/bench evaluate: {@code
 * MODEL THREADS RUNS REPORT}. Both compute what perplexity needs: logits of each window's second half.
 */
final class PeerEvaluate {
    private static final int WINDOW = 512;
    private static final int FIRST = WINDOW / 2;
    private static final int LAST = WINDOW - 1;

    private PeerEvaluate() {}

    /** Writes tokens per second of every run, and the machine's peak in the same run, to REPORT as JSON. */
    public static void main(String[] args) throws IOException {
        if (args.length != 4) {
            System.err.println("usage: PeerEvaluate MODEL THREADS RUNS REPORT");
            System.exit(2);
        }
        Path file = Path.of(args[0]);
        int threads = Integer.parseInt(args[1]);
        int runs = Integer.parseInt(args[2]);
        LlamaCpp peer = LlamaCpp.require();
        ContextOptions options = new ContextOptions(threads, -1, 1);
        List<Double> peak = new ArrayList<>();
        List<Double> ours = new ArrayList<>();
        List<Double> theirs = new ArrayList<>();
        List<Double> imatrix = new ArrayList<>();
        int windows;
        double operations;
        try (Source source = Source.open(file);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), WINDOW, threads);
                LlamaModel model = LlamaCpp.load(file)) {
            windows = forward.windowsInFlight();
            operations = operations(source);
            Random random = new Random(1);
            int[] tokens = random.ints((long) windows * WINDOW, 0, forward.vocabulary())
                    .toArray();
            int[] targets = random.ints((long) windows * (LAST - FIRST), 0, forward.vocabulary())
                    .toArray();
            int[] window = java.util.Arrays.copyOf(tokens, WINDOW);
            // The first time the kernels are compiled and the file comes into memory.
            forward.improbabilities(window, FIRST, LAST, java.util.Arrays.copyOf(targets, LAST - FIRST));
            PeakFloat.measure(threads);
            for (int run = 0; run < runs; run++) {
                peak.add(PeakFloat.measure(threads));
                theirs.add(WINDOW / model.decodeSeconds(window, FIRST, LAST, options));
                long start = System.nanoTime();
                forward.improbabilities(tokens, FIRST, LAST, targets);
                ours.add(tokens.length / ((System.nanoTime() - start) * 1e-9));
                imatrix.add(Calibration.collect(
                                forward,
                                new Windows("random", tokens, OptionalInt.empty(), WINDOW, WINDOW, FIRST, windows),
                                new Calibration.Options(false, true),
                                new ActivationSums(WINDOW),
                                progress -> {})
                        .tokensPerSecond());
            }
        }
        Files.writeString(
                Path.of(args[3]),
                String.format(
                        Locale.ROOT,
                        "{\"windows_in_flight\": %d, \"operations_per_token\": %.0f, \"peak_gflops\": %s, "
                                + "\"quern_tokens_per_s\": %s, \"imatrix_tokens_per_s\": %s, "
                                + "\"peer_tokens_per_s\": %s, \"peer\": \"%s\"}%n",
                        windows,
                        operations,
                        peak,
                        ours,
                        imatrix,
                        theirs,
                        peer.version()));
    }

    /**
     * Floating-point operations that the products with weights take for a token of a window: two for each weight, in the
     * last block's query, output and feed-forward matrices and in the output matrix only for the wanted positions.
     */
    private static double operations(Source source) {
        double share = (double) (LAST - FIRST) / WINDOW;
        long blocks = source.model()
                .metadata()
                .integer(source.model().metadata().architecture() + ".block_count")
                .orElseThrow();
        boolean tied = source.model().tensors().get("output.weight").isEmpty();
        double sum = 0;
        for (var tensor : source.model().tensors().sources()) {
            String name = tensor.info().name();
            double twice = 2.0 * tensor.info().shape().elements();
            boolean keysOrValues = name.endsWith("attn_k.weight") || name.endsWith("attn_v.weight");
            if (tensor.info().shape().rank() < 2 || name.equals("token_embd.weight") && !tied) {
                continue;
            }
            boolean everywhere = name.startsWith("blk.") && (keysOrValues || !name.startsWith("blk." + (blocks - 1)));
            sum += everywhere ? twice : twice * share;
        }
        return sum;
    }
}
