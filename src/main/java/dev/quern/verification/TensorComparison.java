package dev.quern.verification;

import dev.quern.io.Region;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.RowTile;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One tensor of a file against the rows it was made of. The rows are encoded again as the reference does it: most files
 * then have the very same blocks, and a block that differs among many that do not has been damaged. A file whose blocks
 * were chosen by another method is held to the error that the reference's blocks have.
 */
final class TensorComparison {
    /** Where fewer of the blocks than this differ from the reference's, they are damage and no other method. */
    private static final double FEW = 0.05;

    /** How much larger than the reference's the error of another method's row may be: importance moves error about. */
    private static final double ROW_SLACK = 3;

    /** The same for a whole tensor, where what one row loses another gains. */
    private static final double TENSOR_SLACK = 1.5;

    /** Without a reference (a type that needs importance, and none is given): unrelated numbers have a cosine near 0. */
    private static final double LEAST_COSINE = 0.8;

    /**
     * Codes that were fitted to what a layer computes leave the weights behind: what earlier layers did is repaired in
     * them, and inputs that never vary allow anything. Even two bits and much to repair leave a cosine of 0.8; other
     * weights, or theirs in another order, have one near 0.
     */
    private static final double LEAST_FITTED_COSINE = 0.25;

    /** No row is further from its source than so many times its own length. */
    private static final double FITTED_ROW = 3;

    private final String name;
    private final QuantType type;
    private final Shape shape;
    private final Region file;
    private final TensorSource against;
    private final float @Nullable [][] importance;
    private final boolean referenced;
    private final boolean fitted;
    private final @Nullable Region copied;
    private final Sums[] tiles;

    /**
     * @param against rows of the same shape
     * @param importance weights for the columns, one array for each matrix of the tensor, or null
     * @param referenced whether the reference can encode the type as things are
     * @param fitted whether the codes may have been fitted to what the layer computes
     * @param copied whether the source has the type already, so that its bytes are the reference
     */
    TensorComparison(
            String name,
            QuantType type,
            TensorSource inFile,
            TensorSource against,
            float @Nullable [][] importance,
            boolean referenced,
            boolean fitted,
            boolean copied) {
        this.name = name;
        this.type = type;
        this.shape = inFile.info().shape();
        this.file = region(inFile).orElseThrow(() -> new IllegalStateException(name + " does not lie in a file"));
        this.copied = copied ? region(against).orElse(null) : null;
        this.against = against;
        this.importance = importance;
        this.referenced = referenced;
        this.fitted = fitted;
        this.tiles = new Sums[RowTile.count(shape)];
    }

    private static Optional<Region> region(TensorSource source) {
        return switch (source) {
            case Stored stored -> Optional.of(stored.region());
            case Dequantized blocks -> Optional.of(blocks.region());
            default -> Optional.empty();
        };
    }

    int tiles() {
        return tiles.length;
    }

    /** What one tile has to say. Kept apart until the end, so that the order of threads does not change a sum. */
    private static final class Sums {
        final ErrorSums errors = new ErrorSums();
        double referenceError;
        long blocks;
        long differing;
        long firstDiffering = -1;
        long notFinite = -1;
        double worstRow;
        long worstRowAt = -1;
    }

    /** Buffers and codecs of one thread. */
    static final class Scratch {
        private float[] source = new float[0];
        private float[] decoded = new float[0];
        private float[] reference = new float[0];
        private byte[] found = new byte[0];
        private byte[] expected = new byte[0];
        private final Map<QuantType, BlockCodec> codecs = new EnumMap<>(QuantType.class);

        private BlockCodec codec(QuantType type) {
            return codecs.computeIfAbsent(type, wanted -> Codecs.create(wanted, Kernel.SIMD));
        }

        private void require(int values, int bytes) {
            if (source.length < values) {
                source = new float[values];
                decoded = new float[values];
                reference = new float[values];
            }
            if (found.length < bytes) {
                found = new byte[bytes];
                expected = new byte[bytes];
            }
        }
    }

    /** @return values compared */
    long compare(int tile, Scratch scratch) {
        int length = Math.toIntExact(shape.rowLength());
        RowTile rowTile = RowTile.of(shape, tile);
        long first = rowTile.firstRow();
        int rows = rowTile.rows();
        int rowBytes = Math.toIntExact(type.bytesFor(length));
        scratch.require(rows * length, rows * rowBytes);
        file.copyTo(first * rowBytes, scratch.found, rows * rowBytes);
        against.readRows(first, rows, scratch.source, 0);
        BlockCodec codec = scratch.codec(type);
        MemorySegment found = MemorySegment.ofArray(scratch.found);
        MemorySegment expected = MemorySegment.ofArray(scratch.expected);
        Sums sums = new Sums();
        for (int row = 0; row < rows; row++) {
            codec.dequantize(found, (long) row * rowBytes, length, scratch.decoded, row * length);
            boolean same = referenced && encode(codec, scratch, first + row, row, length, rowBytes);
            if (same
                    && Arrays.equals(
                            scratch.found,
                            row * rowBytes,
                            (row + 1) * rowBytes,
                            scratch.expected,
                            row * rowBytes,
                            (row + 1) * rowBytes)) {
                sums.blocks += length / type.blockLength();
                add(sums, scratch, first + row, row * length, length, true, null);
                continue;
            }
            if (same) {
                codec.dequantize(expected, (long) row * rowBytes, length, scratch.reference, row * length);
                countBlocks(sums, scratch, first + row, row * rowBytes, length);
            }
            add(sums, scratch, first + row, row * length, length, false, same ? scratch.reference : null);
        }
        tiles[tile] = sums;
        return (long) rows * length;
    }

    private boolean encode(BlockCodec codec, Scratch scratch, long tensorRow, int row, int length, int rowBytes) {
        float[] weights = importance == null ? null : importance[(int) (tensorRow * importance.length / shape.rows())];
        if (copied != null) {
            copied.slice(tensorRow * rowBytes, rowBytes)
                    .segment()
                    .asByteBuffer()
                    .get(scratch.expected, row * rowBytes, rowBytes);
            return true;
        }
        try {
            codec.quantize(scratch.source, row * length, length, weights, scratch.expected, row * rowBytes);
            return true;
        } catch (ArithmeticException e) {
            // Too large for the type's search; such a tensor is not converted either, so no file should have it.
            return false;
        }
    }

    private void countBlocks(Sums sums, Scratch scratch, long tensorRow, int at, int length) {
        int blockBytes = type.blockBytes();
        int count = length / type.blockLength();
        for (int block = 0; block < count; block++) {
            int from = at + block * blockBytes;
            int to = from + blockBytes;
            if (!Arrays.equals(scratch.found, from, to, scratch.expected, from, to)) {
                sums.differing++;
                if (sums.firstDiffering < 0) {
                    sums.firstDiffering = tensorRow * count + block;
                }
            }
        }
        sums.blocks += count;
    }

    /**
     * @param same whether the reference gives the very same row
     * @param reference what it gives otherwise, or null
     */
    private void add(
            Sums sums,
            Scratch scratch,
            long tensorRow,
            int at,
            int length,
            boolean same,
            float @Nullable [] reference) {
        ErrorSums row = new ErrorSums();
        row.add(scratch.source, scratch.decoded, at, length, tensorRow * length);
        double error = row.squaredError();
        double referenceError = 0;
        if (!row.isFinite() && sums.notFinite < 0) {
            for (int i = at; i < at + length; i++) {
                if (!Float.isFinite(scratch.decoded[i]) && Float.isFinite(scratch.source[i])) {
                    sums.notFinite = tensorRow * length + i - at;
                    break;
                }
            }
        }
        if (same) {
            referenceError = error;
        } else if (reference != null) {
            for (int i = at; i < at + length; i++) {
                double difference = (double) reference[i] - scratch.source[i];
                referenceError += difference * difference;
            }
            // What is lost in no case: a row of zeros, or one that the type holds exactly, has no error to multiply.
            double allowed = fitted
                    ? FITTED_ROW * FITTED_ROW * row.sourceSquares() + referenceError
                    : ROW_SLACK * ROW_SLACK * referenceError + 1e-12 * row.sourceSquares();
            double ratio = error / Math.max(allowed, Double.MIN_NORMAL);
            if (ratio > sums.worstRow) {
                sums.worstRow = ratio;
                sums.worstRowAt = tensorRow;
            }
        }
        sums.errors.add(row);
        sums.referenceError += referenceError;
    }

    /** When every tile has been compared. */
    TensorResult result() {
        Sums all = new Sums();
        for (Sums one : tiles) {
            all.errors.add(one.errors);
            all.referenceError += one.referenceError;
            all.blocks += one.blocks;
            all.differing += one.differing;
            if (one.worstRow > all.worstRow) {
                all.worstRow = one.worstRow;
                all.worstRowAt = one.worstRowAt;
            }
            if (all.firstDiffering < 0) {
                all.firstDiffering = one.firstDiffering;
            }
            if (all.notFinite < 0) {
                all.notFinite = one.notFinite;
            }
        }
        String problem = problem(all);
        TensorResult.Verdict verdict = problem != null
                ? TensorResult.Verdict.DIFFERENT
                : referenced && all.differing == 0 ? TensorResult.Verdict.IDENTICAL : TensorResult.Verdict.WITHIN;
        return new TensorResult(
                name,
                type,
                shape,
                verdict,
                all.blocks,
                all.differing,
                all.errors.rmse(),
                Math.sqrt(all.referenceError / Math.max(1, shape.elements())),
                all.errors.largest(),
                all.errors.cosine(),
                problem);
    }

    private @Nullable String problem(Sums all) {
        double cosine = all.errors.cosine();
        if (all.notFinite >= 0) {
            return "element " + shape.index(all.notFinite) + ": expected a finite value, found none";
        }
        if (!referenced) {
            if (fitted) {
                return fittedProblem(all);
            }
            return cosine >= LEAST_COSINE
                    ? null
                    : String.format(Locale.ROOT, "the cosine to the source is %.4f: other weights", cosine);
        }
        if (all.differing == 0) {
            return null;
        }
        if (!type.isQuantized() || all.differing <= Math.max(1, FEW * all.blocks)) {
            String unit = type.isQuantized() ? "blocks" : "values";
            return all.differing + " of " + all.blocks + " " + unit
                    + " differ from what the source gives, the first at "
                    + (type.isQuantized()
                            ? "block " + blockIndex(all.firstDiffering)
                            : "element " + shape.index(all.firstDiffering))
                    + String.format(
                            Locale.ROOT,
                            ", the largest error %.3g at element %s",
                            all.errors.largest(),
                            shape.index(all.errors.largestAt()));
        }
        if (fitted) {
            return fittedProblem(all);
        }
        double rms = Math.sqrt(all.errors.squaredError());
        double referenceRms = Math.sqrt(all.referenceError);
        if (!(rms <= TENSOR_SLACK * referenceRms + 1e-6 * Math.sqrt(all.errors.sourceSquares()))) {
            return String.format(
                    Locale.ROOT,
                    "the error is %.1f times what %s gives, the cosine to the source %.4f: other weights, another order"
                            + " of rows or columns, damage, or codes that --method compensated fitted",
                    rms / Math.max(referenceRms, Double.MIN_NORMAL),
                    type,
                    cosine);
        }
        if (all.worstRow > 1) {
            return String.format(
                    Locale.ROOT,
                    "row %d: the error is %.1f times what %s gives",
                    all.worstRowAt,
                    ROW_SLACK * Math.sqrt(all.worstRow),
                    type);
        }
        return null;
    }

    private @Nullable String fittedProblem(Sums all) {
        if (all.errors.cosine() < LEAST_FITTED_COSINE) {
            return String.format(
                    Locale.ROOT,
                    "the cosine to the source is %.4f, too little for codes that were fitted: other weights, another"
                            + " order of rows or columns, or damage",
                    all.errors.cosine());
        }
        return all.worstRow > 1
                ? String.format(
                        Locale.ROOT,
                        "row %d: the error is %.1f times the row itself",
                        all.worstRowAt,
                        FITTED_ROW * Math.sqrt(all.worstRow))
                : null;
    }

    private String blockIndex(long block) {
        long perRow = shape.rowLength() / type.blockLength();
        return "[" + block / perRow + ", " + block % perRow + "]";
    }
}
