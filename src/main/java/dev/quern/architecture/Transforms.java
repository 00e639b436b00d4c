package dev.quern.architecture;

import dev.quern.architecture.Architecture.Regroup;
import dev.quern.architecture.Architecture.Transform;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.Mapped;
import dev.quern.tensor.PermutedRows;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.SelectedColumns;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import dev.quern.tensor.Transposed;
import java.nio.file.Path;
import java.util.List;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/** A page's steps, as lazy nodes over a checkpoint's tensor. */
final class Transforms {
    private Transforms() {}

    /** Whether the steps only put rows into another order, so that what changes those rows can follow them. */
    static boolean onlyOrderRows(List<Transform> steps) {
        return steps.stream()
                .allMatch(step -> step.permuteRope() != null
                        || (step.regroup() != null
                                && step.regroup().part() == null
                                && !step.regroup().columns()));
    }

    static TensorSource apply(List<Transform> steps, TensorSource source, Sizes sizes, int layer) {
        TensorSource result = source;
        for (Transform step : steps) {
            result = apply(step, result, sizes, layer);
        }
        return result;
    }

    private static TensorSource apply(Transform step, TensorSource source, Sizes sizes, int layer) {
        if (step.permuteRope() != null) {
            return permuted(source, sizes.require(step.permuteRope(), layer));
        }
        if (step.regroup() != null) {
            return regrouped(step.regroup(), source, sizes, layer);
        }
        if (step.reshape() != null) {
            return new Renamed(source.info().withShape(sizes.shape(step.reshape(), layer)), source);
        }
        Double added = step.add();
        if (added != null) {
            float addend = added.floatValue();
            return Mapped.of(source, value -> value + addend);
        }
        if (step.negativeExponential() != null) {
            return Mapped.of(source, value -> -(float) Math.exp(value));
        }
        return Transposed.of(source);
    }

    private static TensorSource permuted(TensorSource source, long heads) {
        long rows = source.info().shape().dim(0);
        if (heads == 0 || rows % (2 * heads) != 0) {
            throw InputException.of(
                    Path.of(source.origin()),
                    "tensor " + Quoted.of(source.info().name()),
                    "has " + rows + " rows, which are no pairs in " + heads + " heads");
        }
        return ordered(source, rows, RopeRows.huggingFace(rows / heads));
    }

    /** Rows of a matrix, elements of a vector, in another order. */
    private static TensorSource ordered(TensorSource source, long count, LongUnaryOperator order) {
        TensorInfo info = source.info();
        Shape shape = info.shape();
        if (shape.rank() == 1) {
            return new SelectedColumns(info.withShape(Shape.of(count)), source, order);
        }
        Shape taken = count == shape.rows() ? shape : Shape.of(count, shape.rowLength());
        return new PermutedRows(info.withShape(taken), source, order);
    }

    private static TensorSource regrouped(Regroup regroup, TensorSource source, Sizes sizes, int layer) {
        Shape shape = source.info().shape();
        long groups = sizes.require(regroup.groups(), layer);
        long[] parts = regroup.parts().stream()
                .mapToLong(part -> sizes.require(part, layer))
                .toArray();
        long groupRows = 0;
        for (long part : parts) {
            groupRows += part;
        }
        boolean columns = regroup.columns() || shape.rank() == 1;
        long held = columns ? shape.rowLength() : shape.rows();
        if (groups * groupRows != held) {
            throw InputException.of(
                    Path.of(source.origin()),
                    "tensor " + Quoted.of(source.info().name()),
                    "has " + held + (columns ? " columns" : " rows") + ", not " + groups + " groups of " + groupRows);
        }
        LongUnaryOperator order = order(groups, groupRows, parts, regroup.part());
        long count = regroup.part() == null ? held : groups * parts[regroup.part()];
        if (!columns) {
            return ordered(source, count, order);
        }
        Shape taken = shape.with(shape.rank() - 1, count);
        return new SelectedColumns(source.info().withShape(taken), source, order);
    }

    /** Where a row of the result stands in the source. */
    private static LongUnaryOperator order(long groups, long groupRows, long[] parts, @Nullable Integer part) {
        long[] begins = new long[parts.length];
        for (int i = 1; i < parts.length; i++) {
            begins[i] = begins[i - 1] + parts[i - 1];
        }
        if (part != null) {
            return row -> row / parts[part] * groupRows + begins[part] + row % parts[part];
        }
        return row -> {
            int at = 0;
            long rest = row;
            while (rest >= groups * parts[at]) {
                rest -= groups * parts[at];
                at++;
            }
            return rest / parts[at] * groupRows + begins[at] + rest % parts[at];
        };
    }
}
