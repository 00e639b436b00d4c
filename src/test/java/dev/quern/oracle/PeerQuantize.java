package dev.quern.oracle;

import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * llama.cpp's llama_model_quantize as a program, for scripts/bench quantize and quality: {@code IN OUT FILE_TYPE THREADS
 * REPORT [IMATRIX]}.
 */
final class PeerQuantize {
    private PeerQuantize() {}

    /** Writes the seconds that the call alone took, and the libraries' version, to REPORT as JSON. */
    public static void main(String[] args) throws IOException {
        if (args.length != 5 && args.length != 6) {
            System.err.println("usage: PeerQuantize IN OUT FILE_TYPE THREADS REPORT [IMATRIX]");
            System.exit(2);
        }
        QuantizeOptions options = args.length == 6 ? importance(args[5]) : new QuantizeOptions();
        LlamaCpp peer = LlamaCpp.require();
        long start = System.nanoTime();
        peer.quantizeModel(
                Path.of(args[0]), Path.of(args[1]), Integer.parseInt(args[2]), Integer.parseInt(args[3]), options);
        double seconds = (System.nanoTime() - start) * 1e-9;
        Files.writeString(
                Path.of(args[4]),
                String.format(Locale.ROOT, "{\"call_s\": %.3f, \"version\": \"%s\"}%n", seconds, peer.version()));
    }

    /** What llama-quantize --imatrix tells the library: the values, and where they came from. */
    private static QuantizeOptions importance(String file) {
        ImportanceMatrix matrix = ImportanceReader.read(Path.of(file));
        QuantizeOptions options = new QuantizeOptions();
        matrix.entries().forEach((name, entry) -> options.importance(name, inOneRun(entry.values())));
        return options.metadata("quantize.imatrix.file", file)
                .metadata("quantize.imatrix.dataset", matrix.datasets().getFirst())
                .metadata("quantize.imatrix.entries_count", (long)
                        matrix.entries().size())
                .metadata("quantize.imatrix.chunks_count", matrix.chunks());
    }

    /** Expert after expert. */
    private static float[] inOneRun(float[][] rows) {
        float[] run = new float[rows.length * rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, run, i * rows[0].length, rows[0].length);
        }
        return run;
    }
}
