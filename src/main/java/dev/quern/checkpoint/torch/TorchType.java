package dev.quern.checkpoint.torch;

import dev.quern.tensor.DType;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * torch's element types: the storage class that names them in older tensors, the dtype that names them in newer ones,
 * bytes of one element, and what Quern reads them as.
 */
enum TorchType {
    FLOAT64("DoubleStorage", "float64", DType.F64),
    FLOAT32("FloatStorage", "float32", DType.F32),
    FLOAT16("HalfStorage", "float16", DType.F16),
    BFLOAT16("BFloat16Storage", "bfloat16", DType.BF16),
    INT64("LongStorage", "int64", DType.I64),
    INT32("IntStorage", "int32", DType.I32),
    INT16("ShortStorage", "int16", DType.I16),
    INT8("CharStorage", "int8", DType.I8),
    UINT8("ByteStorage", "uint8", DType.U8),
    BOOL("BoolStorage", "bool", DType.BOOL),
    COMPLEX128("ComplexDoubleStorage", "complex128", 16),
    COMPLEX64("ComplexFloatStorage", "complex64", 8),
    QINT8("QInt8Storage", "qint8", 1),
    QUINT8("QUInt8Storage", "quint8", 1),
    QINT32("QInt32Storage", "qint32", 4),
    QUINT4X2("QUInt4x2Storage", "quint4x2", 1),
    QUINT2X4("QUInt2x4Storage", "quint2x4", 1),
    // From here on: types without a storage class, saved by _rebuild_tensor_v3 over an untyped storage.
    UINT16("", "uint16", DType.U16),
    UINT32("", "uint32", DType.U32),
    UINT64("", "uint64", DType.U64),
    FLOAT8_E4M3FN("", "float8_e4m3fn", DType.F8_E4M3),
    FLOAT8_E5M2("", "float8_e5m2", DType.F8_E5M2),
    FLOAT8_E4M3FNUZ("", "float8_e4m3fnuz", DType.F8_E4M3FNUZ),
    FLOAT8_E5M2FNUZ("", "float8_e5m2fnuz", DType.F8_E5M2FNUZ),
    FLOAT8_E8M0FNU("", "float8_e8m0fnu", DType.F8_E8M0),
    FLOAT4_E2M1FN_X2("", "float4_e2m1fn_x2", 1),
    COMPLEX32("", "complex32", 4),
    BITS8("", "bits8", 1),
    BITS16("", "bits16", 2),
    BITS1X8("", "bits1x8", 1),
    BITS2X4("", "bits2x4", 1),
    BITS4X2("", "bits4x2", 1);

    private static final Map<String, TorchType> BY_STORAGE = new HashMap<>();
    private static final Map<String, TorchType> BY_DTYPE = new HashMap<>();

    static {
        for (TorchType type : values()) {
            BY_DTYPE.put(type.dtypeName, type);
            if (!type.storageClass.isEmpty()) {
                BY_STORAGE.put(type.storageClass, type);
            }
        }
    }

    private final String storageClass;
    private final String dtypeName;
    private final int bytes;
    private final Optional<DType> dtype;

    TorchType(String storageClass, String dtypeName, DType dtype) {
        this.storageClass = storageClass;
        this.dtypeName = dtypeName;
        this.bytes = dtype.bytes();
        this.dtype = Optional.of(dtype);
    }

    TorchType(String storageClass, String dtypeName, int bytes) {
        this.storageClass = storageClass;
        this.dtypeName = dtypeName;
        this.bytes = bytes;
        this.dtype = Optional.empty();
    }

    static Optional<TorchType> ofStorageClass(String name) {
        return Optional.ofNullable(BY_STORAGE.get(name));
    }

    static Optional<TorchType> ofDtype(String name) {
        return Optional.ofNullable(BY_DTYPE.get(name));
    }

    int bytes() {
        return bytes;
    }

    /** What Quern reads it as; empty for complex, quantized and packed types. */
    Optional<DType> dtype() {
        return dtype;
    }

    /** torch's name, {@code float16}. */
    @Override
    public String toString() {
        return dtypeName;
    }
}
