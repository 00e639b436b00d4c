package dev.quern.batch;

import dev.quern.architecture.Model;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.PlannedTensor;
import dev.quern.pipeline.Progress;
import dev.quern.report.RunReport;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** How far the tensors of an output are from those they were made of. */
final class TensorErrors {
    /** Values looked at in one go: two arrays of half a MiB. */
    private static final int TILE_VALUES = 1 << 17;

    private TensorErrors() {}

    /**
     * Every tensor of a plan, in its order.
     *
     * @param written the output, opened
     */
    static List<RunReport.TensorError> measure(OutputPlan plan, Model written, int threads, Progress progress) {
        progress.begin("comparing tensors", plan.parameters());
        List<Future<RunReport.TensorError>> futures = new ArrayList<>();
        try (ExecutorService workers = Executors.newFixedThreadPool(threads)) {
            for (PlannedTensor tensor : plan.tensors()) {
                TensorSource output = written.tensors()
                        .get(tensor.name())
                        .orElseThrow(() -> new IllegalStateException("no tensor " + tensor.name()));
                futures.add(workers.submit(() -> {
                    RunReport.TensorError error = measure(tensor, output);
                    progress.advance(error.values());
                    return error;
                }));
            }
            List<RunReport.TensorError> errors = new ArrayList<>();
            for (Future<RunReport.TensorError> future : futures) {
                errors.add(future.get());
            }
            return errors;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        } finally {
            progress.end();
        }
    }

    private static RunReport.TensorError measure(PlannedTensor tensor, TensorSource output) {
        long length = Math.max(1, tensor.shape().rowLength());
        int rowsAtOnce = (int) Math.max(1, TILE_VALUES / length);
        float[] expected = new float[Math.toIntExact(rowsAtOnce * length)];
        float[] found = new float[expected.length];
        Sums sums = new Sums();
        for (long row = 0; row < tensor.shape().rows(); row += rowsAtOnce) {
            int rows = (int) Math.min(rowsAtOnce, tensor.shape().rows() - row);
            tensor.source().readRows(row, rows, expected, 0);
            output.readRows(row, rows, found, 0);
            sums.add(expected, found, Math.toIntExact(rows * length));
        }
        long values = tensor.shape().elements();
        double rmse = values == 0 ? 0 : Math.sqrt(sums.differences / values);
        double norm = values == 0 ? 0 : Math.sqrt(sums.expected / values);
        return new RunReport.TensorError(
                tensor.name(),
                tensor.type().name(),
                values,
                rmse,
                norm == 0 ? rmse : rmse / norm,
                sums.max,
                sums.cosine());
    }

    private static final class Sums {
        double differences;
        double expected;
        double found;
        double products;
        double max;

        void add(float[] a, float[] b, int count) {
            double d2 = 0;
            double a2 = 0;
            double b2 = 0;
            double ab = 0;
            double m = max;
            for (int i = 0; i < count; i++) {
                double x = a[i];
                double y = b[i];
                double d = x - y;
                d2 += d * d;
                a2 += x * x;
                b2 += y * y;
                ab += x * y;
                m = Math.max(m, Math.abs(d));
            }
            differences += d2;
            expected += a2;
            found += b2;
            products += ab;
            max = m;
        }

        /** Equal tensors are at no angle, and a rounding error must not say otherwise. */
        double cosine() {
            if (differences == 0) {
                return 1;
            }
            double norms = Math.sqrt(expected) * Math.sqrt(found);
            return norms == 0 ? 0 : Math.clamp(products / norms, -1, 1);
        }
    }
}
