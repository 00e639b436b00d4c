package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.Scaled;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.HashSet;
import java.util.Set;

/** A model's tensors by name, each held to the shape that is expected of it; and which of them were asked for. */
final class NamedTensors {
    private final Model model;
    private final Set<String> used = new HashSet<>();

    NamedTensors(Model model) {
        this.model = model;
    }

    boolean has(String name) {
        return model.tensors().get(name).isPresent();
    }

    TensorSource source(String name) {
        used.add(name);
        return model.tensors().get(name).orElseThrow(() -> refused(name, "missing"));
    }

    /** @throws InputException when the tensor is missing or has another shape; so do all that follow */
    TensorSource shaped(String name, Shape shape) {
        TensorSource source = source(name);
        if (!source.info().shape().equals(shape)) {
            throw refused(name, "expected " + shape + ", found " + source.info().shape());
        }
        return source;
    }

    float[] vector(String name, int length) {
        float[] values = new float[length];
        shaped(name, Shape.of(length)).readRows(0, 1, values, 0);
        return values;
    }

    /** The values of a matrix, transposed in groups of so many rows. */
    float[] transposed(String name, int rows, int columns, int group) {
        TensorSource source = shaped(name, Shape.of(rows, columns));
        float[] values = new float[Math.multiplyExact(rows, columns)];
        float[] row = new float[columns];
        for (int i = 0; i < rows; i++) {
            source.readRows(i, 1, row, 0);
            int first = i / group * group;
            int width = Math.min(group, rows - first);
            for (int column = 0; column < columns; column++) {
                values[first * columns + column * width + i - first] = row[column];
            }
        }
        return values;
    }

    /** A matrix with the bias that it may have. */
    WeightMatrix linear(String name, int rows, int columns) {
        WeightMatrix matrix = matrix(name + ".weight", rows, columns);
        return has(name + ".bias") ? matrix.withBias(vector(name + ".bias", rows)) : matrix;
    }

    WeightMatrix matrix(String name, int rows, int columns) {
        return WeightMatrix.of(scaled(name, shaped(name, Shape.of(rows, columns))), rows, columns);
    }

    /** A matrix of one row, which a file may keep as a vector. */
    WeightMatrix oneRow(String name, int columns) {
        TensorSource source = source(name);
        boolean vector = source.info().shape().rank() == 1;
        return WeightMatrix.of(shaped(name, vector ? Shape.of(columns) : Shape.of(1, columns)), 1, columns);
    }

    /** The rows of all experts' or heads' matrices, one matrix after the other. */
    WeightMatrix stacked(String name, int count, int rows, int columns) {
        return WeightMatrix.of(shaped(name, Shape.of(count, rows, columns)), Math.multiplyExact(count, rows), columns);
    }

    WeightMatrix stackedLinear(String name, int count, int rows, int columns) {
        WeightMatrix matrix = stacked(name + ".weight", count, rows, columns);
        String bias = name + ".bias";
        if (!has(bias)) {
            return matrix;
        }
        float[] values = new float[Math.multiplyExact(count, rows)];
        shaped(bias, Shape.of(count, rows)).readRows(0, count, values, 0);
        return matrix.withBias(values);
    }

    /** NVFP4 files keep one factor of a whole matrix in a tensor of its own; that of its input is not needed here. */
    private TensorSource scaled(String name, TensorSource matrix) {
        String stem = name.substring(0, name.length() - ".weight".length());
        used.add(stem + ".input_scale");
        if (model.tensors().get(stem + ".scale").isEmpty()) {
            return matrix;
        }
        return new Scaled(matrix.info(), matrix, vector(stem + ".scale", 1)[0]);
    }

    /** @throws InputException for a tensor that nothing asked for */
    void refuseUnused() {
        for (String name : model.tensors().asMap().keySet()) {
            if (!used.contains(name)) {
                throw refused(name, "the forward pass of this architecture has no place for it");
            }
        }
    }

    InputException refused(String name, String problem) {
        return InputException.of(model.origin(), "tensor " + Quoted.of(name) + ": " + problem);
    }
}
