package synthetic;

/**
 * One tensor of the model, whole, as Meta names it.
 *
 * @param seedName whose values it has; another name than its own where two tensors are tied
 * @param rows 1 for a vector
 * @param split what a tensor-parallel rank gets of it
 */
public record Tensor(String name, String seedName, Kind kind, int rows, int columns, Split split) {
    public enum Kind {
        MATRIX,
        NORM,
        ROPE_FREQS
    }

    public enum Split {
        ROWS,
        COLUMNS,
        REPLICATED
    }

    static Tensor matrix(String name, int rows, int columns, Split split) {
        return new Tensor(name, name, Kind.MATRIX, rows, columns, split);
    }

    static Tensor norm(String name, int length) {
        return new Tensor(name, name, Kind.NORM, 1, length, Split.REPLICATED);
    }

    static Tensor ropeFreqs(String name, int length) {
        return new Tensor(name, name, Kind.ROPE_FREQS, 1, length, Split.REPLICATED);
    }

    Tensor withValuesOf(String other) {
        return new Tensor(name, other, kind, rows, columns, split);
    }

    /** What a file holds of this tensor when one file holds all of it. */
    public Part whole(String storedName, int rotaryHeads) {
        return new Part(this, storedName, 0, rows, 0, columns, rotaryHeads);
    }

    /** What rank {@code shard} of {@code shards} holds of it. */
    public Part shard(int shard, int shards) {
        return switch (split) {
            case REPLICATED -> whole(name, 0);
            case ROWS -> {
                int share = share(rows, shards, "rows");
                yield new Part(this, name, shard * share, share, 0, columns, 0);
            }
            case COLUMNS -> {
                int share = share(columns, shards, "columns");
                yield new Part(this, name, 0, rows, shard * share, share, 0);
            }
        };
    }

    private int share(int count, int shards, String what) {
        if (count % shards != 0) {
            throw new Refusal(name + ": " + count + " " + what + " cannot be split over " + shards + " shards");
        }
        return count / shards;
    }

    /**
     * A rectangle of a tensor as a file stores it, rows one after another.
     *
     * @param rotaryHeads 0, or into how many heads the rows fall whose rotary pairs Hugging Face keeps half a head apart
     */
    public record Part(
            Tensor tensor, String storedName, int firstRow, int rows, int firstColumn, int columns, int rotaryHeads) {
        public long elements() {
            return (long) rows * columns;
        }

        public boolean isVector() {
            return tensor.kind != Kind.MATRIX;
        }

        /**
         * The row of the tensor that lies at {@code row} of this part. Meta's rows of a head are (pair, half), Hugging
         * Face's are (half, pair).
         */
        public int sourceRow(int row) {
            if (rotaryHeads == 0) {
                return firstRow + row;
            }
            int headRows = tensor.rows / rotaryHeads;
            int inHead = row % headRows;
            int pairs = headRows / 2;
            return row - inHead + inHead % pairs * 2 + inHead / pairs;
        }
    }
}
