package dev.quern.quantization;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What a whole file is quantized to: llama-quantize's TYPE, with its number in {@code general.file_type} (llama.h, enum
 * llama_ftype) and the type most of its tensors get.
 */
public enum FileType {
    F32(0, QuantType.F32),
    F16(1, QuantType.F16),
    Q4_0(2, QuantType.Q4_0),
    Q4_1(3, QuantType.Q4_1),
    Q8_0(7, QuantType.Q8_0),
    Q5_0(8, QuantType.Q5_0),
    Q5_1(9, QuantType.Q5_1),
    Q2_K(10, QuantType.Q2_K),
    Q3_K_S(11, QuantType.Q3_K),
    Q3_K_M(12, QuantType.Q3_K, "Q3_K"),
    Q3_K_L(13, QuantType.Q3_K),
    Q4_K_S(14, QuantType.Q4_K),
    Q4_K_M(15, QuantType.Q4_K, "Q4_K"),
    Q5_K_S(16, QuantType.Q5_K),
    Q5_K_M(17, QuantType.Q5_K, "Q5_K"),
    Q6_K(18, QuantType.Q6_K),
    IQ2_XXS(19, QuantType.IQ2_XXS),
    IQ2_XS(20, QuantType.IQ2_XS),
    Q2_K_S(21, QuantType.Q2_K),
    IQ3_XS(22, QuantType.IQ3_S),
    IQ3_XXS(23, QuantType.IQ3_XXS),
    IQ1_S(24, QuantType.IQ1_S),
    IQ4_NL(25, QuantType.IQ4_NL),
    IQ3_S(26, QuantType.IQ3_S),
    IQ3_M(27, QuantType.IQ3_S),
    IQ2_S(28, QuantType.IQ2_XS),
    IQ2_M(29, QuantType.IQ2_S),
    IQ4_XS(30, QuantType.IQ4_XS),
    IQ1_M(31, QuantType.IQ1_M),
    BF16(32, QuantType.BF16),
    TQ1_0(36, QuantType.TQ1_0),
    TQ2_0(37, QuantType.TQ2_0),
    MXFP4_MOE(38, QuantType.MXFP4),
    Q1_0(40, QuantType.Q1_0),
    Q2_0(41, QuantType.Q2_0);

    private final int id;
    private final QuantType base;
    private final List<String> aliases;

    FileType(int id, QuantType base, String... aliases) {
        this.id = id;
        this.base = base;
        this.aliases = List.of(aliases);
    }

    /** The number in {@code general.file_type}. */
    public int id() {
        return id;
    }

    /** The type of every tensor for which no rule says otherwise. */
    public QuantType base() {
        return base;
    }

    /** Other names that llama-quantize accepts. */
    public List<String> aliases() {
        return aliases;
    }

    /** By name or alias, in any case. */
    public static Optional<FileType> fromName(String name) {
        String upper = name.toUpperCase(Locale.ROOT);
        return Arrays.stream(values())
                .filter(type -> type.name().equals(upper) || type.aliases.contains(upper))
                .findFirst();
    }

    public static Optional<FileType> fromId(long id) {
        return Arrays.stream(values()).filter(type -> type.id == id).findFirst();
    }
}
