package dev.quern.gguf;

/**
 * Floats inside doubles without losing a bit. The processor's conversion turns a signalling NaN into a quiet one, and a
 * rewritten file would differ from its source.
 */
final class FloatBits {
    private FloatBits() {}

    static double widen(int bits) {
        float value = Float.intBitsToFloat(bits);
        if (!Float.isNaN(value)) {
            return value;
        }
        long sign = (bits & 0x8000_0000L) << 32;
        long payload = (bits & 0x007f_ffffL) << 29;
        return Double.longBitsToDouble(sign | 0x7ff0_0000_0000_0000L | payload);
    }

    static int narrow(double value) {
        long bits = Double.doubleToRawLongBits(value);
        int payload = (int) (bits >>> 29) & 0x007f_ffff;
        // A double's NaN whose upper payload bits are all zero would come out as infinity.
        if (!Double.isNaN(value) || payload == 0) {
            return Float.floatToRawIntBits((float) value);
        }
        return (int) (bits >>> 32) & 0x8000_0000 | 0x7f80_0000 | payload;
    }
}
