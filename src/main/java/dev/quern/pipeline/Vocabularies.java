package dev.quern.pipeline;

import dev.quern.architecture.Architecture.VocabularyRules;
import dev.quern.tokenizer.VocabularyKind;
import java.util.List;

/** Which readers of vocabularies a family's page asks for: pages and tokenizers do not know each other. */
final class Vocabularies {
    private Vocabularies() {}

    static List<VocabularyKind> kinds(VocabularyRules rules) {
        return rules.kinds().stream()
                .map(kind -> switch (kind) {
                    case SENTENCEPIECE -> VocabularyKind.SENTENCEPIECE;
                    case LLAMA_HF -> VocabularyKind.LLAMA_HF;
                    case GPT2 -> VocabularyKind.GPT2;
                    case WORDPIECE -> VocabularyKind.WORDPIECE;
                    case UNIGRAM -> VocabularyKind.UNIGRAM;
                    case QWEN -> VocabularyKind.QWEN;
                    case PHI3 -> VocabularyKind.PHI3;
                    case INTERNLM2 -> VocabularyKind.INTERNLM2;
                    case CHATGLM -> VocabularyKind.CHATGLM;
                    case GLM -> VocabularyKind.GLM;
                    case CHATGLM3 -> VocabularyKind.CHATGLM3;
                    case XLM_ROBERTA -> VocabularyKind.XLM_ROBERTA;
                    case GLM4 -> VocabularyKind.GLM4;
                    case TEKKEN -> VocabularyKind.TEKKEN;
                })
                .toList();
    }
}
