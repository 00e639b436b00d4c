package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.tokenizer.proto.ModelProto;
import dev.quern.tokenizer.proto.ModelProto.SentencePiece;
import dev.quern.tokenizer.proto.NormalizerSpec;
import dev.quern.tokenizer.proto.TrainerSpec;
import java.io.ByteArrayOutputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SentencePieceModelTest {
    private static final Path BUNDLED = Path.of("test-data/models/tolstoy-4m/tokenizer.model");
    private static final Path FILE = Path.of("tokenizer.model");

    @Test
    void bundledModel() {
        SentencePieceModel model = SentencePieceModel.read(BUNDLED);
        assertThat(model.size()).isEqualTo(2048);
        assertThat(model.bos()).hasValue(1);
        assertThat(model.eos()).hasValue(2);
        assertThat(model.unknown()).isZero();
        assertThat(model.padding()).isEmpty();
        assertThat(model.addDummyPrefix()).isTrue();
        assertThat(model.notices()).isEmpty();
    }

    @Test
    void smallModel() {
        SentencePieceModel model = read(model().build());
        assertThat(model.pieces()[4]).containsExactly(0xE2, 0x96, 0x81);
        assertThat(model.types())
                .containsExactly(
                        TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, TokenType.NORMAL, TokenType.NORMAL);
        assertThat(model.scores()).containsExactly(0, 0, 0, -1, -2);
    }

    @Test
    void specialPiecesGoByNameAndMustBeControl() {
        SentencePieceModel model = read(model().setTrainerSpec(
                        trainer().setBosPiece("</s>").setEosPiece("a").setPadPiece("<s>"))
                .build());
        assertThat(model.bos()).hasValue(2);
        assertThat(model.eos()).isEqualTo(OptionalInt.empty());
        assertThat(model.padding()).hasValue(1);
    }

    @Test
    void unknownFieldsAreSkipped() {
        byte[] more = {(byte) 0xC2, 0x0C, 3, 0x7f, 0x7f, 0x7f, (byte) 0xF8, 0x0F, 1};
        assertThat(SentencePieceModel.of(FILE, join(model().build().toByteArray(), more))
                        .size())
                .isEqualTo(5);
    }

    @Test
    void noticesSayWhatIsNotDone() {
        SentencePieceModel model = read(model().setTrainerSpec(trainer().setTreatWhitespaceAsSuffix(true))
                .setNormalizerSpec(NormalizerSpec.newBuilder()
                        .setName("nmt_nfkc")
                        .setPrecompiledCharsmap(charsmap(1024, 0, "x\0"))
                        .setRemoveExtraWhitespaces(true)
                        .setEscapeWhitespaces(false))
                .build());
        assertThat(model.notices())
                .containsExactly(
                        "the normalizer's character map (\"nmt_nfkc\") is not applied, as llama.cpp does not apply it",
                        "runs of spaces are kept, as llama.cpp keeps them, although the model folds them",
                        "spaces become U+2581, as in llama.cpp, although the model keeps them",
                        "spaces belong to the word after them, as in llama.cpp, although the model was trained with"
                                + " them after the word");
    }

    @Test
    void emptyFile() {
        refused(new byte[0], "expected a SentencePiece model, found no pieces");
    }

    @Test
    void fileOf64MiBAndAByte(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("tokenizer.model");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength((64L << 20) + 1);
        }
        Hostile.thrownBy(() -> SentencePieceModel.read(file))
                .isInstanceOf(InputException.class)
                .hasMessage(file + ": expected at most 64 MiB, found 67108865 bytes");
    }

    // T1
    @Test
    void numberOfElevenBytes() {
        byte[] bytes = new byte[11];
        Arrays.fill(bytes, (byte) 0x80);
        refused(bytes, "byte 0: expected a number of at most 10 bytes, found a longer one");
    }

    @Test
    void numberCutShort() {
        refused(new byte[] {0x0A, (byte) 0x80}, "byte 1: expected a number, the message ends inside it");
    }

    // T2
    @Test
    void lengthBeyondTheEnd() {
        refused(new byte[] {0x0A, 100, 0x0A, 1, 'a'}, "byte 0: field 1: expected 100 bytes, only 3 are left");
    }

    @Test
    void lengthBeyondItsPiece() {
        refused(new byte[] {0x0A, 3, 0x0A, 100, 'a'}, "byte 2: field 1: expected 100 bytes, only 1 are left");
    }

    @Test
    void lengthOf2To63() {
        byte[] bytes = {
            0x0A,
            (byte) 0x80,
            (byte) 0x80,
            (byte) 0x80,
            (byte) 0x80,
            (byte) 0x80,
            (byte) 0x80,
            (byte) 0x80,
            (byte) 0x80,
            (byte) 0x80,
            1
        };
        refused(bytes, "byte 0: field 1: expected 9223372036854775808 bytes, only 0 are left");
    }

    @Test
    void numberBeyondItsMessage() {
        refused(new byte[] {0x0A, 2, 0x15, 0}, "byte 2: expected 4 bytes, only 1 are left");
    }

    @Test
    void fieldNumberZero() {
        refused(new byte[] {0x02, 0}, "byte 0: expected a field number from 1 to 536870911, found 0");
    }

    @Test
    void fieldNumberTooLarge() {
        refused(
                new byte[] {(byte) 0x82, (byte) 0x80, (byte) 0x80, (byte) 0x80, 0x10, 0},
                "byte 0: expected a field number from 1 to 536870911, found 536870912");
    }

    // T3
    @Test
    void group() {
        refused(new byte[] {0x0B, 0x0C}, "byte 0: field 1: expected no group, which the format does not use");
        refused(new byte[] {0x0A, 2, 0x23, 0x24}, "byte 2: field 4: expected no group, which the format does not use");
    }

    @Test
    void wireTypeSeven() {
        refused(new byte[] {0x0F}, "byte 0: field 1: expected a wire type from 0 to 5, found 7");
    }

    // T4: nesting in a field that nobody reads stays bytes; groups, which would nest, are refused above.
    @Test
    void deepNestingIsNotFollowed() {
        byte[] nested = new byte[0];
        for (int i = 0; i < 3000; i++) {
            nested = join(field(4, nested.length), nested);
        }
        assertThat(SentencePieceModel.of(FILE, join(model().build().toByteArray(), nested))
                        .size())
                .isEqualTo(5);
    }

    // T5
    @Test
    void emptyPiece() {
        refused(
                model().addPieces(piece("", -1, SentencePiece.Type.NORMAL)),
                "piece 5: expected at least one byte, found none");
    }

    // T6
    @Test
    void pieceTwice() {
        refused(
                model().addPieces(piece("a", -1, SentencePiece.Type.NORMAL)),
                "piece 5: expected a piece that is not there yet, found \"a\", piece 3");
    }

    // T7
    @Test
    void noUnknown() {
        refused(
                model().setPieces(0, piece("<unk>", 0, SentencePiece.Type.NORMAL)),
                "pieces: expected one of type UNKNOWN, found none");
    }

    @Test
    void twoUnknown() {
        refused(
                model().addPieces(piece("<unk2>", 0, SentencePiece.Type.UNKNOWN)),
                "pieces: expected one of type UNKNOWN, found pieces 0 and 5");
    }

    // T8
    @Test
    void bytePieceMissing() {
        refused(
                withBytes(255).setTrainerSpec(trainer().setByteFallback(true)),
                "pieces: expected 256 byte pieces for trainer_spec.byte_fallback, found 255");
        assertThat(read(withBytes(256)
                                .setTrainerSpec(trainer().setByteFallback(true))
                                .build())
                        .size())
                .isEqualTo(261);
    }

    @Test
    void bytePieceMisspelt() {
        for (String name : new String[] {"<0x-1>", "<0xZZ>", "<0x0a>", "<0x0A", "A"}) {
            ModelProto.Builder model = withBytes(255).setTrainerSpec(trainer().setByteFallback(true));
            refused(
                    model.addPieces(piece(name.equals("A") ? "AAAAAA" : name, 0, SentencePiece.Type.BYTE)),
                    "piece 260: expected a byte piece like <0x0A>, found \"" + (name.equals("A") ? "AAAAAA" : name)
                            + "\"");
        }
    }

    // T9
    @Test
    void bytePieceWithoutFallback() {
        refused(withBytes(256), "piece 5: expected no byte piece without trainer_spec.byte_fallback, found one");
    }

    // T10
    @Test
    void characterMapTooShort() {
        refusedMap(ByteString.copyFrom(new byte[3]), "expected at least 4 bytes, found 3");
    }

    @Test
    void characterMapTrieAsLongAsTheRest() {
        refusedMap(charsmap(1024, 0, ""), "expected a trie shorter than the 1024 bytes after its length, found 1024");
        refusedMap(
                ByteString.copyFrom(new byte[] {-1, -1, -1, -1, 0}),
                "expected a trie shorter than the 1 bytes after its length, found 4294967295");
        refusedMap(
                ByteString.copyFrom(new byte[8]), "expected a trie shorter than the 4 bytes after its length, found 0");
    }

    @Test
    void characterMapTrieOfPartOfABlock() {
        refusedMap(charsmap(1022, 0, "x\0"), "expected a trie of a multiple of 1024 bytes, found 1022");
    }

    @Test
    void characterMapOffsetOutside() {
        refusedMap(charsmap(1024, 0x8000_0002, "x\0"), "expected offsets below 2, found 2 in unit 0");
    }

    @Test
    void characterMapWithoutEnd() {
        refusedMap(charsmap(1024, 0x8000_0000, "xy"), "expected a NUL at the end, found 121");
    }

    // T11
    @Test
    void scoreNotFinite() {
        refused(
                model().addPieces(piece("b", Float.NaN, SentencePiece.Type.NORMAL)),
                "piece 5: expected a finite score, found NaN");
        refused(
                model().addPieces(piece("b", Float.NEGATIVE_INFINITY, SentencePiece.Type.NORMAL)),
                "piece 5: expected a finite score, found -Infinity");
    }

    // T12
    @Test
    void pieceNotUtf8() {
        refused(
                model().addPieces(SentencePiece.newBuilder()
                        .setPieceBytes(ByteString.copyFrom(new byte[] {'a', (byte) 0xC0, (byte) 0x80}))),
                "piece 5: expected UTF-8, found byte 1 that is not");
    }

    @Test
    void pieceWithNul() {
        refused(
                model().addPieces(piece("a\0b", 0, SentencePiece.Type.NORMAL)),
                "piece 5: expected no NUL, at which llama.cpp would cut the piece");
    }

    // T13
    @Test
    void typeNine() {
        byte[] piece = {0x0A, 5, 0x0A, 1, 'b', 0x18, 9};
        refused(join(model().build().toByteArray(), piece), "piece 5: type: expected a number from 1 to 6, found 9");
    }

    @Test
    void scoreThatIsAString() {
        byte[] piece = {0x0A, 6, 0x0A, 1, 'b', 0x12, 1, 'x'};
        refused(
                join(model().build().toByteArray(), piece),
                "piece 5: score: expected a value of type float, found something else");
    }

    @Test
    void modelTypeSix() {
        byte[] trainer = {0x12, 2, 0x18, 6};
        refused(
                join(model().build().toByteArray(), trainer),
                "trainer_spec: model_type: expected a number from 1 to 4, found 6");
    }

    // T14
    @Test
    void fiveMillionPieces() {
        byte[] bytes = new byte[10_000_000];
        for (int i = 0; i < bytes.length; i += 2) {
            bytes[i] = 0x0A;
        }
        refused(bytes, "byte 8388608: expected at most 4194304 pieces, found more");
    }

    @Test
    void pieceOf64KiBAndAByte() {
        refused(
                model().addPieces(piece("x".repeat(65537), 0, SentencePiece.Type.NORMAL)),
                "byte 75: piece 5: expected at most 65536 bytes, found 65537");
    }

    @Test
    void idsOutOfRange() {
        refused(
                model().setTrainerSpec(trainer().setBosId(5)),
                "trainer_spec.bos_id: expected -1 or an id below 5, found 5");
        refused(
                model().setTrainerSpec(trainer().setEosId(-2)),
                "trainer_spec.eos_id: expected -1 or an id below 5, found -2");
        refused(
                model().setTrainerSpec(trainer().setPadId(Integer.MAX_VALUE)),
                "trainer_spec.pad_id: expected -1 or an id below 5, found 2147483647");
        refused(
                model().setTrainerSpec(trainer().setUnkId(99)),
                "trainer_spec.unk_id: expected -1 or an id below 5, found 99");
    }

    @Test
    void unigram() {
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> SentencePieceModel.of(
                        FILE,
                        model().setTrainerSpec(TrainerSpec.newBuilder()).build().toByteArray()))
                .withMessage("tokenizer.model: trainer_spec.model_type: expected BPE, found UNIGRAM")
                .satisfies(e -> assertThat(e.hint()).contains("tokenized otherwise than it was trained"));
    }

    /** Whatever is done to the bytes, the answer is a model or a refusal of one line. */
    @Test
    void damagedFilesAreRefusedOrRead() throws Exception {
        byte[] whole = model().setNormalizerSpec(
                        NormalizerSpec.newBuilder().setPrecompiledCharsmap(charsmap(1024, 0x8000_0000, "x\0")))
                .build()
                .toByteArray();
        for (int length = 0; length < whole.length; length++) {
            readOrRefuse(Arrays.copyOf(whole, length));
        }
        byte[] bundled = Files.readAllBytes(BUNDLED);
        SplittableRandom random = new SplittableRandom(20260801);
        for (int i = 0; i < 2000; i++) {
            byte[] small = whole.clone();
            int changes = 1 + random.nextInt(3);
            for (int j = 0; j < changes; j++) {
                small[random.nextInt(small.length)] = (byte) random.nextInt(256);
            }
            readOrRefuse(small);
            if (i < 50) {
                byte[] large = bundled.clone();
                large[random.nextInt(large.length)] = (byte) random.nextInt(256);
                readOrRefuse(large);
            }
        }
    }

    private static void readOrRefuse(byte[] bytes) {
        try {
            SentencePieceModel.of(FILE, bytes);
        } catch (InputException e) {
            assertThat(e.getMessage()).startsWith("tokenizer.model: ").doesNotContain("\n");
        }
    }

    private static TrainerSpec.Builder trainer() {
        return TrainerSpec.newBuilder().setModelType(TrainerSpec.ModelType.BPE);
    }

    private static ModelProto.Builder model() {
        return ModelProto.newBuilder()
                .addPieces(piece("<unk>", 0, SentencePiece.Type.UNKNOWN))
                .addPieces(piece("<s>", 0, SentencePiece.Type.CONTROL))
                .addPieces(piece("</s>", 0, SentencePiece.Type.CONTROL))
                .addPieces(piece("a", -1, SentencePiece.Type.NORMAL))
                .addPieces(piece("\u2581", -2, SentencePiece.Type.NORMAL))
                .setTrainerSpec(trainer());
    }

    private static ModelProto.Builder withBytes(int count) {
        ModelProto.Builder model = model();
        for (int i = 0; i < count; i++) {
            model.addPieces(piece("<0x%02X>".formatted(i), 0, SentencePiece.Type.BYTE));
        }
        return model;
    }

    private static SentencePiece piece(String text, float score, SentencePiece.Type type) {
        return SentencePiece.newBuilder()
                .setPiece(text)
                .setScore(score)
                .setType(type)
                .build();
    }

    private static ByteString charsmap(int trie, int firstUnit, String replacements) {
        ByteBuffer bytes = ByteBuffer.allocate(4 + trie + replacements.length()).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(trie).putInt(firstUnit).position(4 + trie);
        replacements.chars().forEach(c -> bytes.put((byte) c));
        return ByteString.copyFrom(bytes.array());
    }

    private static byte[] field(int number, int length) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(number << 3 | 2);
        int left = length;
        while (left >= 0x80) {
            out.write(left & 0x7f | 0x80);
            left >>>= 7;
        }
        out.write(left);
        return out.toByteArray();
    }

    private static byte[] join(byte[] first, byte[] second) {
        byte[] out = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, out, first.length, second.length);
        return out;
    }

    private static SentencePieceModel read(ModelProto model) {
        byte[] bytes = model.toByteArray();
        return Hostile.read(() -> SentencePieceModel.of(FILE, bytes));
    }

    private static void refusedMap(ByteString map, String message) {
        UnaryOperator<ModelProto.Builder> with =
                model -> model.setNormalizerSpec(NormalizerSpec.newBuilder().setPrecompiledCharsmap(map));
        refused(with.apply(model()), "normalizer_spec.precompiled_charsmap: " + message);
    }

    private static void refused(ModelProto.Builder model, String message) {
        refused(model.build().toByteArray(), message);
    }

    private static void refused(byte[] bytes, String message) {
        Hostile.thrownBy(() -> SentencePieceModel.of(FILE, bytes))
                .isInstanceOf(InputException.class)
                .hasMessage("tokenizer.model: " + message);
    }

    @Test
    void knowsEveryFieldOfTheTrainerThatItReads() {
        assertThat(TrainerSpec.getDescriptor().getFields().stream().map(FieldDescriptor::getNumber))
                .containsExactlyInAnyOrderElementsOf(SentencePieceModel.TRAINER_FIELDS);
    }
}
