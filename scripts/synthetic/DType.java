package synthetic;

import java.util.Locale;

/** How a checkpoint stores a number; always little-endian. */
public enum DType {
    F16(2, "float16", "HalfStorage"),
    BF16(2, "bfloat16", "BFloat16Storage"),
    F32(4, "float32", "FloatStorage");

    private final int bytes;
    private final String torchName;
    private final String torchStorage;

    DType(int bytes, String torchName, String torchStorage) {
        this.bytes = bytes;
        this.torchName = torchName;
        this.torchStorage = torchStorage;
    }

    public static DType of(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "f16" -> F16;
            case "bf16" -> BF16;
            case "f32" -> F32;
            default -> throw new Refusal("no dtype " + name + ": there are f16, bf16 and f32");
        };
    }

    public int bytes() {
        return bytes;
    }

    public String torchName() {
        return torchName;
    }

    public String torchStorage() {
        return torchStorage;
    }
}
