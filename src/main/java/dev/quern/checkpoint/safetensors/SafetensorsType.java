package dev.quern.checkpoint.safetensors;

import dev.quern.tensor.DType;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The 22 types of safetensors 0.8 by the names it writes, case and all, with the bits of one element. */
enum SafetensorsType {
    BOOL(DType.BOOL),
    F4(4),
    F6_E2M3(6),
    F6_E3M2(6),
    U8(DType.U8),
    I8(DType.I8),
    F8_E5M2(DType.F8_E5M2),
    F8_E4M3(DType.F8_E4M3),
    F8_E8M0(DType.F8_E8M0),
    F8_E4M3FNUZ(DType.F8_E4M3FNUZ),
    F8_E5M2FNUZ(DType.F8_E5M2FNUZ),
    I16(DType.I16),
    U16(DType.U16),
    F16(DType.F16),
    BF16(DType.BF16),
    I32(DType.I32),
    U32(DType.U32),
    F32(DType.F32),
    C64(64),
    F64(DType.F64),
    I64(DType.I64),
    U64(DType.U64);

    private static final Map<String, SafetensorsType> BY_NAME =
            Arrays.stream(values()).collect(Collectors.toUnmodifiableMap(Enum::name, Function.identity()));

    private final int bits;
    private final Optional<DType> dtype;

    SafetensorsType(DType dtype) {
        this.bits = dtype.bits();
        this.dtype = Optional.of(dtype);
    }

    SafetensorsType(int bits) {
        this.bits = bits;
        this.dtype = Optional.empty();
    }

    static Optional<SafetensorsType> named(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }

    int bits() {
        return bits;
    }

    /** What Quern reads it as; empty for what is not one number per element of whole bytes. */
    Optional<DType> dtype() {
        return dtype;
    }
}
