package dev.quern.tokenizer;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.tokenizer.proto.ModelProto;
import dev.quern.tokenizer.proto.NormalizerSpec;
import dev.quern.tokenizer.proto.TrainerSpec;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * A SentencePiece model file ({@code tokenizer.model}) of byte pair encoding or Unigram, checked as SentencePiece checks it and
 * somewhat further; {@code formats/sentencepiece.md} lists what is refused. A piece's index is its token id.
 *
 * @param addDummyPrefix whether a space goes before the text
 * @param removesExtraSpaces whether runs of spaces become one, and those at both ends none
 * @param characterMap the normalizer's {@link CharacterMap}; empty for none
 * @param notices what the file asks for that llama.cpp, and so Quern, does not do
 */
public record SentencePieceModel(
        byte[][] pieces,
        float[] scores,
        TokenType[] types,
        OptionalInt bos,
        OptionalInt eos,
        int unknown,
        OptionalInt padding,
        boolean addDummyPrefix,
        boolean removesExtraSpaces,
        byte[] characterMap,
        List<String> notices) {
    /** The largest in use, with 256 k pieces, take about 5 MiB. */
    static final long LARGEST_FILE = 64L << 20;

    /** @throws InputException when the file is damaged, beyond a limit, or of a kind that is not read */
    public static SentencePieceModel read(Path file) {
        return read(file, TrainerSpec.ModelType.BPE);
    }

    /** @throws InputException as {@link #read}; also when the model is of another kind than Unigram */
    static SentencePieceModel readUnigram(Path file) {
        return read(file, TrainerSpec.ModelType.UNIGRAM);
    }

    private static SentencePieceModel read(Path file, TrainerSpec.ModelType kind) {
        try (MappedFile mapped = MappedFile.open(file)) {
            if (mapped.size() > LARGEST_FILE) {
                throw InputException.of(file, "expected at most 64 MiB, found " + mapped.size() + " bytes");
            }
            return of(file, mapped.region().bytes(0, (int) mapped.size()), kind);
        }
    }

    static SentencePieceModel of(Path file, byte[] bytes) {
        return of(file, bytes, TrainerSpec.ModelType.BPE);
    }

    static SentencePieceModel of(Path file, byte[] bytes, TrainerSpec.ModelType kind) {
        ModelOutline.check(file, bytes);
        ModelProto proto;
        try {
            proto = ModelProto.parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
            throw InputException.of(file, "expected a SentencePiece model: " + e.getMessage())
                    .withCause(e);
        }
        return new Reading(file, proto).model(kind);
    }

    /**
     * The vocabulary that this file alone describes, as Meta's checkpoints have it: no other file says which tokens are
     * special.
     *
     * @param rows rows of the embedding; tokens beyond the model's are padding, as convert_hf_to_gguf.py names it
     */
    public Vocabulary vocabulary(Path file, long rows) {
        TokenRows tokens = new TokenRows(file, this, rows);
        GgufMetadata settings = new GgufMetadata();
        bos.ifPresent(id -> settings.put(SpecialToken.BOS.key(), GgufValue.u32(id)));
        eos.ifPresent(id -> settings.put(SpecialToken.EOS.key(), GgufValue.u32(id)));
        settings.put(SpecialToken.UNKNOWN.key(), GgufValue.u32(unknown));
        padding.ifPresent(id -> settings.put(SpecialToken.PADDING.key(), GgufValue.u32(id)));
        settings.put(Vocabulary.ADD_BOS, GgufValue.bool(bos.isPresent()));
        settings.put(Vocabulary.ADD_EOS, GgufValue.bool(false));
        if (!addDummyPrefix) {
            settings.put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(false));
        }
        return tokens.vocabulary(settings);
    }

    public int size() {
        return pieces.length;
    }

    /**
     * The trainer's fields that are read; every file has others of its bookkeeping. They stand here because descriptors,
     * which know them too, take a tenth of a short command's time to set up.
     */
    static final Set<Integer> TRAINER_FIELDS = Set.of(
            TrainerSpec.MODEL_TYPE_FIELD_NUMBER,
            TrainerSpec.VOCAB_SIZE_FIELD_NUMBER,
            TrainerSpec.TREAT_WHITESPACE_AS_SUFFIX_FIELD_NUMBER,
            TrainerSpec.BYTE_FALLBACK_FIELD_NUMBER,
            TrainerSpec.UNK_ID_FIELD_NUMBER,
            TrainerSpec.BOS_ID_FIELD_NUMBER,
            TrainerSpec.EOS_ID_FIELD_NUMBER,
            TrainerSpec.PAD_ID_FIELD_NUMBER,
            TrainerSpec.UNK_SURFACE_FIELD_NUMBER,
            TrainerSpec.UNK_PIECE_FIELD_NUMBER,
            TrainerSpec.BOS_PIECE_FIELD_NUMBER,
            TrainerSpec.EOS_PIECE_FIELD_NUMBER,
            TrainerSpec.PAD_PIECE_FIELD_NUMBER);

    /** One reading of one file. */
    private static final class Reading {
        private final Path file;
        private final ModelProto proto;
        private final byte[][] pieces;
        private final float[] scores;
        private final TokenType[] types;
        private final TokenTable ids;

        Reading(Path file, ModelProto proto) {
            this.file = file;
            this.proto = proto;
            int count = proto.getPiecesCount();
            pieces = new byte[count][];
            scores = new float[count];
            types = new TokenType[count];
            ids = new TokenTable(count);
        }

        SentencePieceModel model(TrainerSpec.ModelType kind) {
            TrainerSpec trainer = proto.getTrainerSpec();
            NormalizerSpec normalizer = proto.getNormalizerSpec();
            checkFields("model", proto);
            checkFields("trainer_spec", trainer);
            checkFields("normalizer_spec", normalizer);
            if (trainer.getModelType() != kind) {
                throw InputException.expected(file, "trainer_spec.model_type", kind, trainer.getModelType())
                        .withHint("a model of this family would be tokenized otherwise than it was trained");
            }
            for (int id = 0; id < pieces.length; id++) {
                readPiece(id);
            }
            int unknown = onlyUnknown();
            checkBytes(trainer);
            checkIds(trainer);
            if (!normalizer.getPrecompiledCharsmap().isEmpty()) {
                CharacterMap.of(
                        file + ": normalizer_spec.precompiled_charsmap",
                        normalizer.getPrecompiledCharsmap().toByteArray());
            }
            return new SentencePieceModel(
                    pieces,
                    scores,
                    types,
                    control(trainer.getBosPiece()),
                    control(trainer.getEosPiece()),
                    unknown,
                    control(trainer.getPadPiece()),
                    normalizer.getAddDummyPrefix(),
                    normalizer.getRemoveExtraWhitespaces(),
                    normalizer.getPrecompiledCharsmap().toByteArray(),
                    kind == TrainerSpec.ModelType.BPE ? List.copyOf(notices(trainer, normalizer)) : List.of());
        }

        private void readPiece(int id) {
            ModelProto.SentencePiece piece = proto.getPieces(id);
            String where = "piece " + id;
            checkFields(where, piece);
            ByteString bytes = piece.getPieceBytes();
            if (bytes.isEmpty()) {
                throw InputException.expected(file, where, "at least one byte", "none");
            }
            if (!bytes.isValidUtf8()) {
                throw InputException.expected(file, where, "UTF-8", "byte " + firstInvalid(bytes) + " that is not");
            }
            byte[] text = bytes.toByteArray();
            for (byte b : text) {
                if (b == 0) {
                    throw InputException.of(file, where, "expected no NUL, at which llama.cpp would cut the piece");
                }
            }
            int before = ids.put(text, id);
            if (before >= 0) {
                throw InputException.expected(
                        file,
                        where,
                        "a piece that is not there yet",
                        Quoted.of(piece.getPiece()) + ", piece " + before);
            }
            if (!Float.isFinite(piece.getScore())) {
                throw InputException.expected(file, where, "a finite score", piece.getScore());
            }
            pieces[id] = text;
            scores[id] = piece.getScore();
            types[id] = TokenType.fromId(piece.getType().getNumber()).orElseThrow();
        }

        private static int firstInvalid(ByteString bytes) {
            return Utf8.firstInvalid(bytes.toByteArray()).orElseThrow();
        }

        private int onlyUnknown() {
            int found = -1;
            for (int id = 0; id < types.length; id++) {
                if (types[id] == TokenType.UNKNOWN) {
                    if (found >= 0) {
                        throw InputException.expected(
                                file, "pieces", "one of type UNKNOWN", "pieces " + found + " and " + id);
                    }
                    found = id;
                }
            }
            if (found < 0) {
                throw InputException.expected(file, "pieces", "one of type UNKNOWN", "none");
            }
            return found;
        }

        private void checkBytes(TrainerSpec trainer) {
            int found = 0;
            for (int id = 0; id < types.length; id++) {
                if (types[id] != TokenType.BYTE) {
                    continue;
                }
                if (!trainer.getByteFallback()) {
                    throw InputException.of(
                            file,
                            "piece " + id,
                            "expected no byte piece without trainer_spec.byte_fallback, found one");
                }
                if (ByteTokens.valueOf(pieces[id]) < 0) {
                    throw InputException.expected(
                            file,
                            "piece " + id,
                            "a byte piece like <0x0A>",
                            Quoted.of(new String(pieces[id], StandardCharsets.UTF_8)));
                }
                found++;
            }
            // They are spelled right and none is there twice.
            if (trainer.getByteFallback() && found != 256) {
                throw InputException.expected(file, "pieces", "256 byte pieces for trainer_spec.byte_fallback", found);
            }
        }

        private void checkIds(TrainerSpec trainer) {
            checkId("unk_id", trainer.getUnkId());
            checkId("bos_id", trainer.getBosId());
            checkId("eos_id", trainer.getEosId());
            checkId("pad_id", trainer.getPadId());
        }

        private void checkId(String name, int id) {
            if (id < -1 || id >= pieces.length) {
                throw InputException.expected(file, "trainer_spec." + name, "-1 or an id below " + pieces.length, id);
            }
        }

        /** The control piece of this name: SentencePiece goes by the name, whatever id the trainer noted. */
        private OptionalInt control(String name) {
            int id = ids.find(name.getBytes(StandardCharsets.UTF_8));
            return id >= 0 && types[id] == TokenType.CONTROL ? OptionalInt.of(id) : OptionalInt.empty();
        }

        /** Values that the parser set aside because they do not fit their field: a type 9, a score that is a string. */
        private void checkFields(String where, Message message) {
            Set<Integer> unknown = message.getUnknownFields().asMap().keySet();
            if (unknown.isEmpty() || message instanceof TrainerSpec && Collections.disjoint(unknown, TRAINER_FIELDS)) {
                return;
            }
            for (FieldDescriptor field : message.getDescriptorForType().getFields()) {
                if (message.getUnknownFields().hasField(field.getNumber())) {
                    throw InputException.expected(
                            file,
                            where + ": " + field.getName(),
                            field.getJavaType() == FieldDescriptor.JavaType.ENUM
                                    ? "a number from 1 to "
                                            + field.getEnumType().getValues().size()
                                    : "a value of type "
                                            + field.getType().name().toLowerCase(Locale.ROOT),
                            setAside(message, field).orElse("something else"));
                }
            }
        }

        private static Optional<Object> setAside(Message message, FieldDescriptor field) {
            return message.getUnknownFields().getField(field.getNumber()).getVarintList().stream()
                    .<Object>map(value -> value)
                    .findFirst();
        }

        private static List<String> notices(TrainerSpec trainer, NormalizerSpec normalizer) {
            List<String> notices = new ArrayList<>();
            if (!normalizer.getPrecompiledCharsmap().isEmpty()) {
                notices.add("the normalizer's character map (" + Quoted.of(normalizer.getName())
                        + ") is not applied, as llama.cpp does not apply it");
            }
            if (normalizer.getRemoveExtraWhitespaces()) {
                notices.add("runs of spaces are kept, as llama.cpp keeps them, although the model folds them");
            }
            if (!normalizer.getEscapeWhitespaces()) {
                notices.add("spaces become U+2581, as in llama.cpp, although the model keeps them");
            }
            if (trainer.getTreatWhitespaceAsSuffix()) {
                notices.add("spaces belong to the word after them, as in llama.cpp, although the model was trained"
                        + " with them after the word");
            }
            return notices;
        }
    }
}
