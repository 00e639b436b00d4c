package dev.quern.tensor;

/** What is known of a tensor before one number of it is read. The name is the one its own file gives it. */
public record TensorInfo(String name, DType dtype, Shape shape) {
    public TensorInfo withName(String newName) {
        return new TensorInfo(newName, dtype, shape);
    }

    public TensorInfo withShape(Shape newShape) {
        return new TensorInfo(name, dtype, newShape);
    }
}
