package dev.quern.tensor;

/**
 * A function of every value. As torch computes: in float, and an F16 tensor's result is rounded to F16 again; of other
 * types the result is F32.
 */
public record Mapped(TensorInfo info, TensorSource source, Function function) implements TensorSource {
    /** A function of one value. */
    @FunctionalInterface
    public interface Function {
        float of(float value);
    }

    public static Mapped of(TensorSource source, Function function) {
        TensorInfo info = source.info();
        DType dtype = info.dtype() == DType.F16 ? DType.F16 : DType.F32;
        return new Mapped(new TensorInfo(info.name(), dtype, info.shape()), source, function);
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        source.readRows(first, count, out, at);
        int end = at + Math.toIntExact(count * info.shape().rowLength());
        boolean half = info.dtype() == DType.F16;
        for (int i = at; i < end; i++) {
            float value = function.of(out[i]);
            out[i] = half ? Float.float16ToFloat(Float.floatToFloat16(value)) : value;
        }
    }
}
