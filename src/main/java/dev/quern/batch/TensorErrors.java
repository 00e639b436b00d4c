package dev.quern.batch;

import dev.quern.architecture.Model;
import dev.quern.concurrent.Workers;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.PlannedTensor;
import dev.quern.pipeline.Progress;
import dev.quern.report.RunReport;
import dev.quern.tensor.RowTile;
import dev.quern.tensor.TensorSource;
import dev.quern.verification.ErrorSums;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.stream.IntStream;

/** How far the tensors of an output are from those they were made of. */
final class TensorErrors {
    private TensorErrors() {}

    /**
     * Every tensor of a plan, in its order.
     *
     * @param written the output, opened
     */
    static List<RunReport.TensorError> measure(OutputPlan plan, Model written, int threads, Progress progress) {
        List<PlannedTensor> tensors = plan.tensors();
        AtomicReferenceArray<RunReport.TensorError> errors = new AtomicReferenceArray<>(tensors.size());
        progress.begin("comparing tensors", plan.parameters());
        try (Workers workers = new Workers(threads, "tensor-errors")) {
            workers.each(tensors.size(), (index, worker) -> {
                PlannedTensor tensor = tensors.get(index);
                TensorSource output = written.tensors()
                        .get(tensor.name())
                        .orElseThrow(() -> new IllegalStateException("no tensor " + tensor.name()));
                errors.set(index, measure(tensor, output));
                progress.advance(tensor.shape().elements());
            });
        } finally {
            progress.end();
        }
        return IntStream.range(0, tensors.size()).mapToObj(errors::get).toList();
    }

    private static RunReport.TensorError measure(PlannedTensor tensor, TensorSource output) {
        long length = tensor.shape().rowLength();
        float[] expected = new float[Math.toIntExact(RowTile.rowsAtOnce(tensor.shape()) * length)];
        float[] found = new float[expected.length];
        ErrorSums sums = new ErrorSums();
        for (int i = 0; i < RowTile.count(tensor.shape()); i++) {
            RowTile tile = RowTile.of(tensor.shape(), i);
            tensor.source().readRows(tile.firstRow(), tile.rows(), expected, 0);
            output.readRows(tile.firstRow(), tile.rows(), found, 0);
            sums.add(expected, found, 0, tile.values(tensor.shape()), tile.firstRow() * length);
        }
        return new RunReport.TensorError(
                tensor.name(),
                tensor.type().name(),
                tensor.shape().elements(),
                sums.rmse(),
                sums.relativeError(),
                sums.largest(),
                sums.cosine());
    }
}
