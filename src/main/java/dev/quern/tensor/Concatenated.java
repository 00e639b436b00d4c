package dev.quern.tensor;

import java.util.List;
import java.util.Optional;

/**
 * Parts joined along one axis of a matrix (or along the only axis of a vector): model-parallel shards of one weight.
 *
 * @param axis 0 puts rows under rows, 1 puts columns beside columns
 */
public record Concatenated(TensorInfo info, List<TensorSource> parts, int axis) implements TensorSource {
    public Concatenated {
        parts = List.copyOf(parts);
        long sum = parts.stream().mapToLong(p -> p.info().shape().dim(axis)).sum();
        if (sum != info.shape().dim(axis)) {
            throw new IllegalArgumentException("parts make " + sum + " along axis " + axis + " of " + info.shape());
        }
    }

    public static Concatenated of(String name, List<TensorSource> parts, int axis) {
        TensorInfo first = parts.getFirst().info();
        long sum = parts.stream().mapToLong(p -> p.info().shape().dim(axis)).sum();
        return new Concatenated(
                new TensorInfo(name, first.dtype(), first.shape().with(axis, sum)), parts, axis);
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        if (axis == info.shape().rank() - 1) {
            readColumns(first, count, out, at);
        } else {
            readAcross(first, count, out, at);
        }
    }

    /** Rows of blocks under rows of blocks, where every part has such of one type and no factors of its own. */
    Optional<NativeBlocks> joinedBlocks() {
        List<NativeBlocks> blocks = parts.stream()
                .flatMap(part -> part.blocks().stream())
                .filter(part -> part.factors().isEmpty())
                .toList();
        boolean alike = blocks.stream().map(NativeBlocks::encoding).distinct().count() == 1;
        if (axis != 0 || axis == info.shape().rank() - 1 || blocks.size() != parts.size() || !alike) {
            return Optional.empty();
        }
        long rowBytes = blocks.getFirst().rowBytes();
        NativeBlocks.BlockReader reader = (first, count, out, at) -> {
            long begin = 0;
            for (int i = 0; i < blocks.size(); i++) {
                long end = begin + parts.get(i).info().shape().rows();
                long from = Math.max(first, begin);
                long to = Math.min(first + count, end);
                if (from < to) {
                    int place = at + Math.toIntExact((from - first) * rowBytes);
                    blocks.get(i).reader().readRows(from - begin, (int) (to - from), out, place);
                }
                begin = end;
            }
        };
        return Optional.of(new NativeBlocks(
                blocks.getFirst().encoding(),
                rowBytes,
                reader,
                blocks.getFirst().factors()));
    }

    private void readAcross(long first, int count, float[] out, int at) {
        int length = Math.toIntExact(info.shape().rowLength());
        long begin = 0;
        for (TensorSource part : parts) {
            long end = begin + part.info().shape().rows();
            long from = Math.max(first, begin);
            long to = Math.min(first + count, end);
            if (from < to) {
                part.readRows(from - begin, (int) (to - from), out, at + (int) (from - first) * length);
            }
            begin = end;
        }
    }

    private void readColumns(long first, int count, float[] out, int at) {
        int length = Math.toIntExact(info.shape().rowLength());
        for (int row = 0; row < count; row++) {
            int column = 0;
            for (TensorSource part : parts) {
                part.readRows(first + row, 1, out, at + row * length + column);
                column += (int) part.info().shape().rowLength();
            }
        }
    }
}
