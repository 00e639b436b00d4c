package synthetic;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32;

/** Writes laid-out files: workers take tiles of rows in turn and write each at its place. */
final class FileWriter {
    private static final int TILE_BYTES = 1 << 20;

    private final DType dtype;
    private final long seed;
    private final boolean sparse;
    private final int threads;
    private final float[] quantiles = Weights.gaussianQuantiles();

    /** @param sparse leaves holes where tensor data would be */
    FileWriter(DType dtype, long seed, boolean sparse, int threads) {
        this.dtype = dtype;
        this.seed = seed;
        this.sparse = sparse;
        this.threads = threads;
    }

    private record Tile(int tensor, Weights weights, Tensor.Part part, int firstRow, int rows, long at, long size) {}

    void write(CheckpointFile file) throws IOException {
        try (FileChannel channel = FileChannel.open(
                file.path(),
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE)) {
            writeAll(channel, file.bytes());
            int[] crcs = sparse ? zeroCrcs(file) : writeTensors(channel, file);
            writeAll(channel, file.ending().given(crcs));
            if (channel.size() < file.size()) {
                writeFully(channel, ByteBuffer.allocate(1), file.size() - 1);
            }
            if (channel.size() != file.size()) {
                throw new IllegalStateException(
                        file.path() + ": laid out " + file.size() + " bytes, wrote " + channel.size());
            }
        }
    }

    private static int[] zeroCrcs(CheckpointFile file) {
        return file.tensors().stream()
                .mapToInt(placed -> Crc32Sums.ofZeros(placed.size()))
                .toArray();
    }

    private int[] writeTensors(FileChannel channel, CheckpointFile file) throws IOException {
        List<Tile> tiles = tiles(file);
        int[] crcs = new int[tiles.size()];
        AtomicInteger next = new AtomicInteger();
        try (ExecutorService workers = Executors.newFixedThreadPool(threads)) {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                running.add(workers.submit(() -> {
                    try {
                        Worker worker = new Worker();
                        for (int at = next.getAndIncrement(); at < tiles.size(); at = next.getAndIncrement()) {
                            crcs[at] = worker.write(tiles.get(at), channel);
                        }
                        return null;
                    } finally {
                        // Whoever stops, finished or failed, leaves nothing to do for the others.
                        next.set(tiles.size());
                    }
                }));
            }
            for (Future<?> worker : running) {
                worker.get();
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException failed) {
                throw failed;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        int[] joined = new int[file.tensors().size()];
        for (int i = 0; i < crcs.length; i++) {
            Tile tile = tiles.get(i);
            joined[tile.tensor] = Crc32Sums.join(joined[tile.tensor], crcs[i], tile.size);
        }
        return joined;
    }

    private List<Tile> tiles(CheckpointFile file) {
        List<Tile> tiles = new ArrayList<>();
        for (int i = 0; i < file.tensors().size(); i++) {
            CheckpointFile.Placed placed = file.tensors().get(i);
            Tensor.Part part = placed.part();
            Weights weights = new Weights(part.tensor(), seed, quantiles);
            long rowBytes = (long) part.columns() * dtype.bytes();
            int tileRows = (int) Math.max(1, TILE_BYTES / rowBytes);
            for (int row = 0; row < part.rows(); row += tileRows) {
                int rows = Math.min(tileRows, part.rows() - row);
                tiles.add(new Tile(i, weights, part, row, rows, placed.at() + row * rowBytes, rows * rowBytes));
            }
        }
        return tiles;
    }

    private static void writeAll(FileChannel channel, List<CheckpointFile.Bytes> pieces) throws IOException {
        for (CheckpointFile.Bytes piece : pieces) {
            writeFully(channel, ByteBuffer.wrap(piece.content()), piece.at());
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer from, long at) throws IOException {
        long position = at;
        while (from.hasRemaining()) {
            position += channel.write(from, position);
        }
    }

    /** One thread's buffers. */
    private final class Worker {
        private ByteBuffer bytes = ByteBuffer.allocateDirect(TILE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        private float[] values = new float[0];
        private short[] halves = new short[0];
        private final CRC32 crc = new CRC32();

        int write(Tile tile, FileChannel channel) throws IOException {
            fit(tile);
            Tensor.Part part = tile.part;
            int rowBytes = part.columns() * dtype.bytes();
            for (int i = 0; i < tile.rows; i++) {
                int source = part.sourceRow(tile.firstRow + i);
                int skip = tile.weights.row(source, part.firstColumn(), part.columns(), values);
                encode(skip, part.columns(), i * rowBytes);
            }
            bytes.limit(tile.rows * rowBytes);
            crc.reset();
            crc.update(bytes.position(0));
            writeFully(channel, bytes.position(0), tile.at);
            return (int) crc.getValue();
        }

        private void fit(Tile tile) {
            bytes.clear();
            if (bytes.capacity() < tile.size) {
                bytes = ByteBuffer.allocateDirect(Math.toIntExact(tile.size)).order(ByteOrder.LITTLE_ENDIAN);
            }
            if (halves.length < tile.part.columns()) {
                halves = new short[tile.part.columns()];
                values = new float[tile.part.columns() + 8];
            }
        }

        private void encode(int from, int count, int at) {
            switch (dtype) {
                case F16 -> toF16(values, from, count, halves);
                case BF16 -> toBf16(values, from, count, halves);
                case F32 -> {}
            }
            bytes.position(at);
            if (dtype == DType.F32) {
                bytes.asFloatBuffer().put(values, from, count);
            } else {
                bytes.asShortBuffer().put(halves, 0, count);
            }
        }
    }

    private static void toF16(float[] values, int from, int count, short[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = Float.floatToFloat16(values[from + i]);
        }
    }

    /** To nearest, ties to even; the values are finite. */
    private static void toBf16(float[] values, int from, int count, short[] out) {
        for (int i = 0; i < count; i++) {
            int bits = Float.floatToRawIntBits(values[from + i]);
            out[i] = (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
        }
    }
}
