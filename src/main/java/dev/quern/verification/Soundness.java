package dev.quern.verification;

import dev.quern.concurrent.Workers;
import dev.quern.io.Quoted;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Source;
import dev.quern.tensor.RowTile;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;

/** What can be said of a file alone: that every value of every tensor is a number, as llama.cpp's own validation asks. */
public final class Soundness {
    private Soundness() {}

    private record Work(int tensor, int tile) {}

    /**
     * @param threads workers; the result is the same for any number
     * @return one line for each tensor with a value that is NaN or infinite
     */
    public static List<String> problems(Source file, int threads, Progress progress) {
        List<TensorSource> tensors = List.copyOf(file.model().tensors().sources());
        List<Work> work = new ArrayList<>();
        AtomicLongArray firstBad = new AtomicLongArray(tensors.size());
        long values = 0;
        for (int i = 0; i < tensors.size(); i++) {
            Shape shape = tensors.get(i).info().shape();
            firstBad.set(i, Long.MAX_VALUE);
            values += shape.elements();
            for (int tile = 0; tile < RowTile.count(shape); tile++) {
                work.add(new Work(i, tile));
            }
        }
        progress.begin("checking", values);
        float[][] scratch = new float[threads][0];
        try (Workers workers = new Workers(threads, "soundness")) {
            workers.each(work.size(), (index, worker) -> {
                TensorSource tensor = tensors.get(work.get(index).tensor());
                Shape shape = tensor.info().shape();
                RowTile tile = RowTile.of(shape, work.get(index).tile());
                int count = tile.values(shape);
                if (scratch[worker].length < count) {
                    scratch[worker] = new float[count];
                }
                tensor.readRows(tile.firstRow(), tile.rows(), scratch[worker], 0);
                int at = firstNotFinite(scratch[worker], count);
                if (at >= 0) {
                    long element = tile.firstRow() * shape.rowLength() + at;
                    firstBad.accumulateAndGet(work.get(index).tensor(), element, Math::min);
                }
                progress.advance(count);
            });
        }
        progress.end();
        List<String> problems = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            if (firstBad.get(i) < Long.MAX_VALUE) {
                problems.add("tensor " + Quoted.of(tensors.get(i).info().name()) + ": element "
                        + tensors.get(i).info().shape().index(firstBad.get(i)) + " is NaN or infinite");
            }
        }
        return problems;
    }

    private static int firstNotFinite(float[] values, int count) {
        for (int i = 0; i < count; i++) {
            if (!Float.isFinite(values[i])) {
                return i;
            }
        }
        return -1;
    }
}
