package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The vocabulary of a Hugging Face directory, key for key as convert_hf_to_gguf.py of September 2026 writes it (the
 * {@code set_vocab} of its model classes).
 */
public final class HuggingFaceVocabulary {
    /** CodeLlama's vocabulary; its infill and end-of-turn tokens are known by their ids. */
    private static final int CODE_LLAMA = 32016;

    private static final int CODE_LLAMA_END_OF_TURN = 32010;

    /** The vocabulary of the small Granite models, which want no BOS. */
    private static final int GRANITE = 49152;

    private static final float ADDED_SCORE = -1000f;

    private final Path directory;
    private final Request request;
    private final Consumer<String> notices;
    private final HuggingFaceFiles files;
    private @Nullable TokenizerJson json;

    /**
     * @param kinds how the family's vocabulary may be read; the first whose files are there counts
     * @param rows config.json's {@code vocab_size}: rows of the embedding. Tokens that the files do not name are padding;
     *     without it there are as many as the tokenizer has
     * @param preTokenizer the name of the pre-tokenizer, where the user has given one
     */
    public record Request(List<VocabularyKind> kinds, OptionalLong rows, Optional<String> preTokenizer) {
        public Request {
            kinds = List.copyOf(kinds);
        }
    }

    /** How LLaMA's vocabularies come. */
    public static final List<VocabularyKind> LLAMA =
            List.of(VocabularyKind.TEKKEN, VocabularyKind.SENTENCEPIECE, VocabularyKind.LLAMA_HF, VocabularyKind.GPT2);

    private HuggingFaceVocabulary(Path directory, Request request, Consumer<String> notices) {
        this.directory = directory;
        this.request = request;
        this.notices = notices;
        files = HuggingFaceFiles.in(directory);
    }

    /** The vocabulary of a LLaMA. */
    public static Vocabulary read(Path directory, OptionalLong rows, Consumer<String> notices) {
        return read(directory, new Request(LLAMA, rows, Optional.empty()), notices);
    }

    /**
     * @param notices is told, in one line each, what was left out or will not be done
     * @throws InputException when a file is damaged, the tokenizer has more pieces than the embedding has rows, the
     *     directory has no file of this kind, or its pre-tokenizer is not recognised
     */
    public static Vocabulary read(Path directory, Request request, Consumer<String> notices) {
        request.preTokenizer().ifPresent(HuggingFaceVocabulary::checkName);
        return new HuggingFaceVocabulary(directory, request, notices).vocabulary();
    }

    private static void checkName(String name) {
        if (PreTokenizer.named(name).isEmpty()) {
            throw InputException.of("--pre-tokenizer", "expected a known name, found " + Quoted.of(name))
                    .withHint("one of "
                            + String.join(
                                    ", ",
                                    PreTokenizer.page().names().stream()
                                            .map(PreTokenizer::name)
                                            .toList()));
        }
    }

    private Vocabulary vocabulary() {
        for (VocabularyKind kind : request.kinds()) {
            if (isThere(kind)) {
                Vocabulary found = read(kind);
                // The peer's class for LLaMA, which alone has this kind, does some more.
                boolean llama = request.kinds().contains(VocabularyKind.LLAMA_HF);
                return llama && kind != VocabularyKind.TEKKEN ? llama(found) : found;
            }
        }
        throw without();
    }

    private boolean has(TokenizerFile file) {
        return file.isIn(directory);
    }

    private boolean isThere(VocabularyKind kind) {
        return kind.files().stream().anyMatch(this::has)
                && switch (kind) {
                    // Phi-4 is one of the family too.
                    case PHI3 ->
                        !files.tokenizerConfig()
                                .path("tokenizer_class")
                                .asString("")
                                .equals("GPT2Tokenizer");
                    case LLAMA_HF -> isSentencePiece(json());
                    // GLM-4's file of this name is another, and its tokenizer.json is read.
                    case CHATGLM3 ->
                        !has(TokenizerFile.TOKENIZER)
                                && !has(TokenizerFile.VOCABULARY)
                                && !MetaVocabulary.isRanks(TokenizerFile.TOKENIZER_MODEL.in(directory));
                    // Where both are there, the peer takes Hugging Face's.
                    case TEKKEN -> !has(TokenizerFile.TOKENIZER);
                    default -> true;
                };
    }

    private Vocabulary read(VocabularyKind kind) {
        return switch (kind) {
            case SENTENCEPIECE -> pieces().sentencePiece(false);
            case PHI3 -> pieces().sentencePiece(true);
            case LLAMA_HF -> withoutScores();
            case GPT2 -> byteLevel(Map.of());
            case GLM ->
                byteLevel(
                        Map.of("bos", "[gMASK]", "eot", "<|user|>", "unk", "<|endoftext|>", "eom", "<|observation|>"));
            case CHATGLM -> byteLevel(Map.of("eos", "<|endoftext|>", "eot", "<|user|>", "unk", "<|endoftext|>"));
            case GLM4 ->
                byteLevel(Map.of(
                        "eos", "<|endoftext|>", "eot", "<|user|>", "unk", "<|endoftext|>", "bos", "<|endoftext|>"));
            case WORDPIECE -> wordPiece();
            case UNIGRAM -> pieces().unigram();
            case INTERNLM2 -> pieces().internLm();
            case XLM_ROBERTA -> XlmRobertaVocabulary.read(files, request.rows(), notices);
            case CHATGLM3 -> pieces().chatGlm();
            case QWEN -> RankedVocabularies.qwen(files, request.rows(), notices);
            case TEKKEN -> RankedVocabularies.tekken(directory, notices);
        };
    }

    private SentencePieceVocabularies pieces() {
        return new SentencePieceVocabularies(files, request.rows(), notices);
    }

    private TokenizerJson json() {
        TokenizerJson read = json;
        if (read == null) {
            read = has(TokenizerFile.TOKENIZER)
                    ? TokenizerJson.read(TokenizerFile.TOKENIZER.in(directory))
                    : OlderFiles.read(files);
            json = read;
        }
        return read;
    }

    /** Byte pairs with byte tokens, without ignore_merges: SentencePiece's, as transformers writes them. */
    private static boolean isSentencePiece(TokenizerJson json) {
        return json.kind().equals("BPE")
                && json.model().path("byte_fallback").asBoolean(false)
                && json.steps().path("decoder").path("type").asString("").equals("Sequence");
    }

    private Vocabulary llama(Vocabulary plain) {
        GgufMetadata settings = plain.settings();
        JsonNode prefix = files.tokenizerConfig().path("add_prefix_space");
        if (prefix.isBoolean()) {
            // Written before the vocabulary's own keys.
            settings = new GgufMetadata().put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(prefix.booleanValue()));
            plain.writeTo(settings);
        } else if (!prefix.isMissingNode() && !prefix.isNull()) {
            throw InputException.expected(
                    TokenizerFile.TOKENIZER_CONFIG.in(directory),
                    "add_prefix_space",
                    "true or false",
                    JsonFile.found(prefix));
        }
        long size = request.rows().orElse(plain.size());
        if (size == CODE_LLAMA) {
            // The peer looks for prefix, suffix and middle too, but has no keys to write them to. What there is to be
            // noticed has been.
            var code = new SpecialVocabulary(
                    files, List.of("prefix", "suffix", "middle", "eot"), plain.size(), notice -> {});
            code.assume(SpecialToken.END_OF_TURN.word(), CODE_LLAMA_END_OF_TURN);
            code.writeTo(settings);
        }
        if (size == GRANITE) {
            settings.put(Vocabulary.ADD_BOS, GgufValue.bool(false));
        }
        return plain.with(settings);
    }

    /** The peer knows no scores here: all are the same. */
    private Vocabulary withoutScores() {
        TokenizerJson found = json();
        notices.accept(
                found.file() + ": every token gets the same score, as the peer writes it; llama.cpp then cuts text"
                        + " otherwise than the model was trained with; a tokenizer.model beside it would be used");
        Set<String> specials = specialTexts();
        SequencedMap<String, Integer> all = found.all();
        int size = all.values().stream().mapToInt(Integer::intValue).max().orElse(-1) + 1;
        if (size != all.size()) {
            throw InputException.of(
                    found.file(), "expected ids without a gap, found " + all.size() + " tokens and ids up to " + size);
        }
        byte[][] tokens = new byte[size][];
        float[] scores = new float[size];
        Arrays.fill(scores, ADDED_SCORE);
        TokenType[] types = new TokenType[size];
        all.forEach((text, id) -> {
            tokens[id] = text.getBytes(StandardCharsets.UTF_8);
            boolean base = found.vocabulary().containsKey(text);
            types[id] = base && ByteTokens.valueOf(tokens[id]) >= 0
                    ? TokenType.BYTE
                    : specials.contains(text) ? TokenType.CONTROL : base ? TokenType.NORMAL : TokenType.USER_DEFINED;
        });
        GgufMetadata settings = new GgufMetadata();
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, size, notices).writeTo(settings);
        return new Vocabulary(TokenizerModel.SENTENCE_PIECE, Optional.of("default"), tokens, scores, types, settings);
    }

    /** The tokens that tokenizer_config.json gives a role. */
    private Set<String> specialTexts() {
        Set<String> texts = new HashSet<>();
        for (String role : SpecialVocabulary.ROLES) {
            JsonNode entry = files.tokenizerConfig().path(role + "_token");
            texts.add((entry.isString() ? entry : entry.path("content")).asString(""));
        }
        for (String list : List.of("additional_special_tokens", "extra_special_tokens")) {
            files.tokenizerConfig()
                    .path(list)
                    .forEach(one -> texts.add((one.isString() ? one : one.path("content")).asString("")));
        }
        return texts;
    }

    /** @param named tokens that get a role by their names, where the files give it to none */
    private Vocabulary byteLevel(Map<String, String> named) {
        TokenizerJson found = json();
        BaseVocabulary tokens = new BaseVocabulary(found, request.rows());
        GgufMetadata settings = new GgufMetadata();
        if (!found.merges().isEmpty()) {
            settings.put(Vocabulary.MERGES, BaseVocabulary.merges(found.merges()));
        }
        SpecialVocabulary special = new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.size(), notices);
        for (String role : List.of("bos", "eos", "eot", "unk", "eom")) {
            String name = named.get(role);
            if (name != null) {
                special.assume(
                        role,
                        found.id(name)
                                .orElseThrow(() -> InputException.of(
                                        found.file(), "expected a token " + Quoted.of(name) + ", found none")));
            }
        }
        special.writeTo(settings);
        String pre = request.preTokenizer()
                .orElseGet(() -> new Recognition(found, name -> tokens.vocabulary(name, settings)).name(notices));
        return tokens.vocabulary(pre, settings);
    }

    /** Tokens inside words lose their ##, tokens that begin words get a ▁. */
    private Vocabulary wordPiece() {
        TokenizerJson found = json();
        if (!found.kind().equals("WordPiece")) {
            throw InputException.expected(found.file(), "model.type", "WordPiece", Quoted.of(found.kind()));
        }
        BaseVocabulary base = new BaseVocabulary(found, request.rows());
        byte[][] tokens = base.tokens().clone();
        for (int id = 0; id < tokens.length; id++) {
            if (base.types()[id] != TokenType.CONTROL) {
                String text = new String(tokens[id], StandardCharsets.UTF_8);
                tokens[id] =
                        (text.startsWith("##") ? text.substring(2) : "\u2581" + text).getBytes(StandardCharsets.UTF_8);
            }
        }
        String pre = request.preTokenizer()
                .orElseGet(() -> new Recognition(found, name -> {
                            throw new IllegalStateException("words are not cut by names");
                        })
                        .wordPiece());
        GgufMetadata keys = new GgufMetadata()
                .put(
                        Vocabulary.TOKEN_TYPE_COUNT,
                        GgufValue.u32(files.config().path("type_vocab_size").asLong(1)));
        new Vocabulary(
                        TokenizerModel.WORD_PIECE,
                        Optional.of(pre),
                        tokens,
                        new float[0],
                        base.types(),
                        new GgufMetadata())
                .writeTo(keys);
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.length, notices).writeTo(keys);
        return new Vocabulary(TokenizerModel.WORD_PIECE, Optional.of(pre), tokens, new float[0], base.types(), keys);
    }

    private InputException without() {
        String expected = request.kinds().stream()
                .flatMap(kind -> kind.files().stream())
                .distinct()
                .map(TokenizerFile::text)
                .collect(Collectors.joining(" or "));
        String found = Stream.of(VocabularyKind.values())
                .flatMap(kind -> kind.files().stream())
                .filter(this::has)
                .findFirst()
                .map(other -> "only " + other.text())
                .orElse("no tokenizer file");
        return InputException.of(directory, "expected " + expected + ", found " + found);
    }
}
