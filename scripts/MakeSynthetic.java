import java.io.IOException;
import java.util.List;
import java.util.Locale;
import synthetic.Maker;
import synthetic.Refusal;
import synthetic.Request;

/**
 * Writes LLaMA-shaped checkpoints of any size, for benchmarks and for proofs about sizes and memory. Runs from source:
 * {@code java scripts/MakeSynthetic.java 7b -o FOLDER}.
 */
public final class MakeSynthetic {
    private MakeSynthetic() {}

    public static void main(String[] args) {
        List<String> arguments = List.of(args);
        if (arguments.contains("--help") || arguments.contains("-h")) {
            System.out.print(Request.USAGE);
            return;
        }
        try {
            Request request = Request.of(arguments);
            long start = System.nanoTime();
            long bytes = Maker.make(request);
            double seconds = (System.nanoTime() - start) * 1e-9;
            System.err.printf(
                    "%s: %,d bytes%s in %.1f s, %.2f GB/s%n",
                    request.folder(), bytes, request.sparse() ? " (holes)" : "", seconds, bytes * 1e-9 / seconds);
            if (request.json()) {
                System.out.printf(
                        Locale.ROOT,
                        "{\"bytes\": %d, \"seconds\": %.3f, \"dtype\": \"%s\", \"seed\": %d, %s}%n",
                        bytes,
                        seconds,
                        request.dtype(),
                        request.seed(),
                        request.shape().optionsJson());
            }
        } catch (Refusal e) {
            System.err.println("make-synthetic: " + e.getMessage());
            System.exit(2);
        } catch (IOException e) {
            System.err.println("make-synthetic: " + e);
            System.exit(1);
        }
    }
}
