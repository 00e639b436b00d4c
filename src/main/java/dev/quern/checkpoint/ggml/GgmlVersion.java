package dev.quern.checkpoint.ggml;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import java.util.Optional;

/** Magic number and version of a file, and what changed with each (llama.cpp, llama_file_version). */
public enum GgmlVersion {
    /** March 2023. */
    GGML("GGML", 0x67676d6c, 0),
    /** Scores in the vocabulary. */
    GGMF_1("GGMF v1", 0x67676d66, 1),
    /** Tensors begin at multiples of 32 bytes, April 2023. */
    GGJT_1("GGJT v1", 0x67676a74, 1),
    /** The first half of a block in the low nibbles, the second in the high ones; 12 May 2023. */
    GGJT_2("GGJT v2", 0x67676a74, 2),
    /** Scales of Q4_0, Q4_1 and Q8_0 as halves: every block as GGUF has it; 19 May 2023. */
    GGJT_3("GGJT v3", 0x67676a74, 3);

    /** Differences for LoRA, which are no model. */
    private static final int GGLA = 0x67676c61;

    private final String title;
    private final int magic;
    private final int number;

    GgmlVersion(String title, int magic, int number) {
        this.title = title;
        this.magic = magic;
        this.number = number;
    }

    /** Whether the file begins with one of the magic numbers, of whatever version. */
    public static boolean looksLike(MappedFile file) {
        if (file.size() < Integer.BYTES) {
            return false;
        }
        int found = file.region().i32(0);
        return found == GGLA || withMagic(found).isPresent();
    }

    /** @throws InputException for a version that never was, and for a LoRA adapter */
    static GgmlVersion of(Region file) {
        int magic = file.i32(0);
        if (magic == GGLA) {
            throw InputException.of(file.file().path(), "is a LoRA adapter of llama.cpp from 2023, not a model")
                    .withHint("get the adapter as its trainer saved it (adapter_config.json)");
        }
        if (magic == GGML.magic) {
            return GGML;
        }
        int number = file.i32(Integer.BYTES);
        for (GgmlVersion version : values()) {
            if (version.magic == magic && version.number == number) {
                return version;
            }
        }
        String name =
                withMagic(magic).map(version -> version.title.substring(0, 4)).orElse("GGML");
        throw InputException.of(
                file.file().path(), name + " version " + Integer.toUnsignedString(number) + " never was");
    }

    private static Optional<GgmlVersion> withMagic(int magic) {
        for (GgmlVersion version : values()) {
            if (version.magic == magic) {
                return Optional.of(version);
            }
        }
        return Optional.empty();
    }

    int headerBytes() {
        return this == GGML ? Integer.BYTES : 2 * Integer.BYTES;
    }

    boolean hasScores() {
        return this != GGML;
    }

    boolean isAligned() {
        return compareTo(GGJT_1) >= 0;
    }

    /** Whether two values that follow each other share a byte. */
    boolean pairsValues() {
        return compareTo(GGJT_2) < 0;
    }

    /** Whether the scales of Q4_0, Q4_1 and Q8_0 are floats. */
    boolean wideScales() {
        return compareTo(GGJT_3) < 0;
    }

    /** {@code GGJT v3} */
    @Override
    public String toString() {
        return title;
    }
}
