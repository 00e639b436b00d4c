package dev.quern.pipeline;

import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;

/** The file type of a GGUF that does not say it: llama.cpp's guess from the type that most tensors have. */
final class GuessedFileType {
    /** LLAMA_FTYPE_GUESSED in llama.h: marks the number as a guess. */
    private static final int GUESSED = 1024;

    private GuessedFileType() {}

    static long of(Collection<QuantType> types) {
        Map<QuantType, Integer> counts = new LinkedHashMap<>();
        types.forEach(type -> counts.merge(type, 1, Integer::sum));
        QuantType most = counts.entrySet().stream()
                .max(Comparator.comparingInt(Map.Entry::getValue))
                .map(Map.Entry::getKey)
                .orElse(QuantType.F32);
        return GUESSED | number(most).id();
    }

    private static FileType number(QuantType type) {
        return switch (type) {
            case Q3_K -> FileType.Q3_K_M;
            case Q4_K -> FileType.Q4_K_M;
            case Q5_K -> FileType.Q5_K_M;
            case MXFP4 -> FileType.MXFP4_MOE;
            default -> FileType.fromName(type.name()).orElse(FileType.F32);
        };
    }
}
