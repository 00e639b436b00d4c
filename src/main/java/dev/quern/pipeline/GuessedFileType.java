package dev.quern.pipeline;

import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import java.util.Collection;
import java.util.EnumMap;
import java.util.Map;

/** The file type of a GGUF that does not say it: llama.cpp's guess from the type that most tensors have. */
final class GuessedFileType {
    /** LLAMA_FTYPE_GUESSED in llama.h: marks the number as a guess. */
    private static final int GUESSED = 1024;

    /** LLAMA_FTYPE_MOSTLY_NVFP4: a number that a file may have and llama-quantize does not offer. */
    static final int NVFP4 = 39;

    private GuessedFileType() {}

    /** @param types of the tensors in the order of {@link Quantization}: of two that are as many, the first to be so wins */
    static long of(Collection<QuantType> types) {
        Map<QuantType, Integer> counts = new EnumMap<>(QuantType.class);
        QuantType most = QuantType.F32;
        int mostTensors = 0;
        for (QuantType type : types) {
            int count = counts.merge(type, 1, Integer::sum);
            if (count > mostTensors) {
                mostTensors = count;
                most = type;
            }
        }
        return GUESSED | number(most);
    }

    private static int number(QuantType type) {
        return switch (type) {
            case Q3_K -> FileType.Q3_K_M.id();
            case Q4_K -> FileType.Q4_K_M.id();
            case Q5_K -> FileType.Q5_K_M.id();
            case NVFP4 -> NVFP4;
            default -> FileType.fromName(type.name()).orElse(FileType.F32).id();
        };
    }
}
