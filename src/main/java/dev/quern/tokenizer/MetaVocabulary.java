package dev.quern.tokenizer;

import dev.quern.io.MappedFile;
import java.nio.file.Path;

/** The tokenizer.model that Meta hands out with Llama 3, which is not SentencePiece's but tiktoken's. */
public final class MetaVocabulary {
    /** Enough for a first line. */
    private static final int BEGINNING = 256;

    private MetaVocabulary() {}

    /** Whether the file lists tokens by rank, as Llama 3's does. */
    public static boolean isRanks(Path file) {
        try (MappedFile mapped = MappedFile.open(file)) {
            return TokenRanks.isRanks(mapped.region().bytes(0, (int) Math.min(mapped.size(), BEGINNING)));
        }
    }

    /**
     * @param rows rows of the embedding
     * @throws dev.quern.io.InputException when the file is damaged or has more tokens than the embedding has rows
     */
    public static Vocabulary read(Path file, long rows) {
        return RankedVocabularies.llama(file, rows);
    }
}
