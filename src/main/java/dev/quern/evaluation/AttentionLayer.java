package dev.quern.evaluation;

import dev.quern.evaluation.Buffers.Use;
import dev.quern.evaluation.Projection.Product;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A block's attention between the norm before it and the output matrix after it: queries, keys and values, and what
 * comes of them where tokens meet.
 */
record AttentionLayer(Hyperparameters sizes, Tasks tasks) {
    /** Where tokens meet. */
    @FunctionalInterface
    interface Attending {
        /**
         * @param query of all rows, not turned yet, like {@code key}
         * @param attended receives a row for each row that is wanted
         */
        void attend(int block, Blocked query, Blocked key, Blocked value, Packed attended);
    }

    /**
     * @param input normalized states of all tokens
     * @param wanted how many of them are to attend
     * @return all heads' results, a row for each row that is wanted
     */
    Packed attended(
            int index, Weights.Block block, Packed input, int wanted, Attending attending, InputObserver observer) {
        Weights.Projections projections = block.projections();
        return projections == null
                ? latent(index, Objects.requireNonNull(block.latent()), input, wanted, attending, observer)
                : plain(index, block, projections, input, wanted, attending, observer);
    }

    private Packed plain(
            int index,
            Weights.Block block,
            Weights.Projections projections,
            Packed input,
            int wanted,
            Attending attending,
            InputObserver observer) {
        observer.seen(input, projections.query(), projections.key(), projections.value());
        Blocked query = tasks.buffers().blocked(Use.INNER, input.rows(), sizes.queryWidth());
        Blocked key = tasks.buffers().blocked(Use.KEYS, input.rows(), sizes.keyWidth());
        Blocked value = tasks.buffers().blocked(Use.VALUES, input.rows(), sizes.valueWidth());
        tasks.multiply(
                input,
                new Product(projections.query(), query, false),
                new Product(projections.key(), key, false),
                new Product(projections.value(), value, false));
        float most = sizes.scales().clamp();
        if (most > 0) {
            clamp(query, most);
            clamp(key, most);
            clamp(value, most);
        }
        normHeads(query, block.queryNorm());
        normHeads(key, block.keyNorm());
        Packed attended = tasks.buffers().packed(Use.NORMED, wanted, sizes.attendedWidth());
        attending.attend(index, query, key, value, attended);
        return attended;
    }

    private void normHeads(Blocked x, Weights.@Nullable HeadNorm norm) {
        if (norm != null) {
            tasks.rows(
                    x.rows(),
                    (first, count, mine) -> norm.norm().applyToRuns(x, norm.length(), first, count, mine.row));
        }
    }

    private static void clamp(Blocked x, float most) {
        float[] values = x.values();
        for (int i = 0; i < Blocked.size(x.rows(), x.width()); i++) {
            values[i] = Math.clamp(values[i], -most, most);
        }
    }

    /**
     * Multi-head latent attention: all heads share one key, the latent state and its turned part, and one value, the
     * latent state; each head's matrices stand before and after.
     */
    private Packed latent(
            int index,
            Weights.LatentProjections block,
            Packed input,
            int wanted,
            Attending attending,
            InputObserver observer) {
        int rank = sizes.latent().rank();
        int rotated = sizes.rope().dimensions();
        int length = sizes.latent().keyLength();
        int still = length - rotated;
        int rows = input.rows();
        WeightMatrix queryDown = block.queryDown();
        observer.seen(input, queryDown == null ? block.query() : queryDown, block.down());
        Blocked state = tasks.buffers().blocked(Use.KEYS, rows, rank + rotated);
        Blocked query = tasks.buffers().blocked(Use.INNER, rows, sizes.heads() * length);
        if (queryDown == null) {
            tasks.multiply(input, new Product(block.query(), query, false), new Product(block.down(), state, false));
        } else {
            Blocked narrow = tasks.buffers().blocked(Use.LATENT_QUERY, rows, queryDown.rows());
            tasks.multiply(input, new Product(queryDown, narrow, false), new Product(block.down(), state, false));
            Packed normed = tasks.buffers().packed(Use.LATENT_STATE, rows, queryDown.rows());
            tasks.rows(rows, (first, count, mine) -> block.queryNorm().apply(narrow, first, count, normed, mine.row));
            observer.seen(normed, block.query());
            tasks.multiply(normed, new Product(block.query(), query, false));
        }
        Blocked value = tasks.buffers().blocked(Use.VALUES, rows, rank);
        tasks.rows(rows, (first, count, mine) -> {
            float[] row = mine.row;
            for (int i = first; i < first + count; i++) {
                state.read(i, 0, rank, row, 0);
                block.norm().apply(row, 0, rank);
                state.write(i, 0, rank, row, 0);
                value.write(i, 0, rank, row, 0);
            }
        });
        Blocked wide = tasks.buffers().blocked(Use.LATENT_QUERY, rows, sizes.heads() * (rank + rotated));
        Packed part = tasks.buffers().packed(Use.LATENT_PART, rows, still);
        Blocked product = tasks.buffers().blocked(Use.LATENT_PRODUCT, rows, rank);
        for (int head = 0; head < sizes.heads(); head++) {
            int from = head * length;
            int to = head * (rank + rotated);
            tasks.rows(rows, (first, count, mine) -> {
                float[] row = mine.row;
                for (int i = first; i < first + count; i++) {
                    query.read(i, from, length, row, 0);
                    part.write(i, 0, still, row, 0);
                    wide.write(i, to + rank, rotated, row, still);
                }
            });
            tasks.multiply(part, new Product(block.keys().get(head), product, false));
            tasks.rows(rows, (first, count, mine) -> {
                float[] row = mine.row;
                for (int i = first; i < first + count; i++) {
                    product.read(i, 0, rank, row, 0);
                    wide.write(i, to, rank, row, 0);
                }
            });
        }
        Packed attended = tasks.buffers().packed(Use.NORMED, wanted, sizes.heads() * rank);
        attending.attend(index, wide, state, value, attended);
        return latentValues(block, attended, wanted);
    }

    private Packed latentValues(Weights.LatentProjections block, Packed attended, int wanted) {
        int rank = sizes.latent().rank();
        int length = sizes.latent().valueLength();
        Packed result = tasks.buffers().packed(Use.LATENT_RESULT, wanted, sizes.heads() * length);
        Packed part = tasks.buffers().packed(Use.LATENT_PART, wanted, rank);
        Blocked product = tasks.buffers().blocked(Use.LATENT_PRODUCT, wanted, length);
        for (int head = 0; head < sizes.heads(); head++) {
            int from = head * rank;
            int to = head * length;
            tasks.rows(wanted, (first, count, mine) -> {
                float[] row = mine.row;
                for (int i = first; i < first + count; i++) {
                    attended.read(i, from, rank, row, 0);
                    part.write(i, 0, rank, row, 0);
                }
            });
            tasks.multiply(part, new Product(block.values().get(head), product, false));
            tasks.rows(wanted, (first, count, mine) -> {
                float[] row = mine.row;
                for (int i = first; i < first + count; i++) {
                    product.read(i, 0, length, row, 0);
                    result.write(i, to, length, row, 0);
                }
            });
        }
        return result;
    }
}
