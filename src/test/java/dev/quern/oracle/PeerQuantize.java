package dev.quern.oracle;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** llama.cpp's llama_model_quantize as a program, for scripts/bench quantize: {@code IN OUT FILE_TYPE THREADS REPORT}. */
final class PeerQuantize {
    private PeerQuantize() {}

    /** Writes the seconds that the call alone took, and the libraries' version, to REPORT as JSON. */
    public static void main(String[] args) throws IOException {
        if (args.length != 5) {
            System.err.println("usage: PeerQuantize IN OUT FILE_TYPE THREADS REPORT");
            System.exit(2);
        }
        LlamaCpp peer = LlamaCpp.require();
        long start = System.nanoTime();
        peer.quantizeModel(
                Path.of(args[0]),
                Path.of(args[1]),
                Integer.parseInt(args[2]),
                Integer.parseInt(args[3]),
                new QuantizeOptions());
        double seconds = (System.nanoTime() - start) * 1e-9;
        Files.writeString(
                Path.of(args[4]),
                String.format(Locale.ROOT, "{\"call_s\": %.3f, \"version\": \"%s\"}%n", seconds, peer.version()));
    }
}
