package dev.quern.pipeline;

import dev.quern.architecture.Architecture;
import dev.quern.architecture.Architecture.VocabularyRules;
import dev.quern.checkpoint.Checkpoint;
import dev.quern.io.InputException;
import dev.quern.tokenizer.VocabularyKind;
import java.util.List;

/** Which reader of vocabularies a family's page asks for. */
final class Vocabularies {
    private Vocabularies() {}

    /** @throws InputException when no reader knows the kind */
    static VocabularyKind kind(Checkpoint checkpoint, VocabularyRules rules) {
        List<Architecture.VocabularyKind> kinds = rules.kinds();
        boolean pieces = kinds.contains(Architecture.VocabularyKind.SENTENCEPIECE);
        boolean bytes = kinds.contains(Architecture.VocabularyKind.GPT2);
        if (kinds.contains(Architecture.VocabularyKind.LLAMA_HF)) {
            return VocabularyKind.LLAMA;
        }
        if (pieces && bytes) {
            return kinds.indexOf(Architecture.VocabularyKind.SENTENCEPIECE)
                            < kinds.indexOf(Architecture.VocabularyKind.GPT2)
                    ? VocabularyKind.SENTENCE_PIECE_OR_BYTE_LEVEL
                    : VocabularyKind.BYTE_LEVEL_OR_SENTENCE_PIECE;
        }
        if (pieces) {
            return VocabularyKind.SENTENCE_PIECE;
        }
        if (bytes) {
            return VocabularyKind.BYTE_LEVEL;
        }
        throw InputException.of(checkpoint.directory(), "no reader knows a vocabulary of the kind " + kinds);
    }
}
