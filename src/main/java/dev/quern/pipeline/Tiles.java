package dev.quern.pipeline;

import dev.quern.pipeline.Conversion.Tile;
import dev.quern.tensor.RowTile;
import dev.quern.tensor.Shape;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;

/**
 * Hands out tiles to whoever asks, those of one tensor in order; of a run that goes on, only those that are missing. Half
 * of the workers take tensors from the beginning and half from the end: the first tensors of a file (output matrix,
 * embedding) often have another type than the last, and while one type's kernels are still being compiled, somebody works
 * with those of the other.
 */
final class Tiles {
    private final Deque<List<Target.Place>> tensors;
    private final Cursor beginning = new Cursor();
    private final Cursor end = new Cursor();
    private final int count;

    /** @param tensors each tensor's places in all outputs, in the order of the first output */
    Tiles(Collection<List<Target.Place>> tensors) {
        this.tensors = new ArrayDeque<>(tensors);
        this.count = tensors.stream().mapToInt(Tiles::tilesLeft).reduce(0, Math::addExact);
    }

    /** Values of a tensor that still have to be made. */
    static long valuesLeft(List<Target.Place> places) {
        Shape shape = shape(places);
        return (shape.rows() - firstMissing(places)) * shape.rowLength();
    }

    private static int tilesLeft(List<Target.Place> places) {
        Shape shape = shape(places);
        return Math.toIntExact(Math.ceilDiv(shape.rows() - firstMissing(places), RowTile.rowsAtOnce(shape)));
    }

    private static Shape shape(List<Target.Place> places) {
        return places.getFirst().tensor().source().info().shape();
    }

    private static long firstMissing(List<Target.Place> places) {
        return places.stream().mapToLong(Target.Place::rowsDone).min().orElse(0);
    }

    /** How many tiles have to be made. */
    int count() {
        return count;
    }

    /**
     * A tile that nobody else has taken.
     *
     * @throws IllegalStateException when there is none: whoever asks has to {@link #count}
     */
    synchronized Tile next(boolean fromEnd) {
        Cursor own = fromEnd ? end : beginning;
        while (own.isDone() && !tensors.isEmpty()) {
            own.begin(fromEnd ? tensors.removeLast() : tensors.removeFirst());
        }
        Cursor chosen = own.isDone() ? fromEnd ? beginning : end : own;
        if (chosen.isDone()) {
            throw new IllegalStateException("all " + count + " tiles are taken");
        }
        return chosen.take();
    }

    /** A tensor that is being worked on. */
    private static final class Cursor {
        private List<Target.Place> places = List.of();
        private long[] rowsDone = {};
        private long row;

        boolean isDone() {
            return places.isEmpty() || row >= shape(places).rows();
        }

        void begin(List<Target.Place> tensor) {
            places = tensor;
            row = firstMissing(tensor);
            rowsDone = tensor.stream().mapToLong(Target.Place::rowsDone).toArray();
        }

        Tile take() {
            long first = row;
            Shape shape = shape(places);
            int rows = (int) Math.min(shape.rows() - row, RowTile.rowsAtOnce(shape));
            row += rows;
            // What is there was written in tiles of the same size, so a tile is missing whole or not at all.
            List<Target.Place> missing = new ArrayList<>(rowsDone.length);
            for (int i = 0; i < rowsDone.length; i++) {
                if (rowsDone[i] <= first) {
                    missing.add(places.get(i));
                }
            }
            return new Tile(missing, first, rows);
        }
    }
}
