package dev.quern.checkpoint.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.architecture.CheckpointModel;
import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Checkpoints;
import dev.quern.checkpoint.Hostile;
import dev.quern.checkpoint.safetensors.SafetensorsFile;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** ONNX models that torch exported (scripts/make-onnx-fixtures), and files that are wrong. */
class OnnxTest {
    private static final Path FOLDER = Path.of("test-data/onnx");

    @TempDir
    Path folder;

    /** Of tensors that are equal torch's newer exporter keeps one, and of the others not even the name. */
    private static final Set<String> LOST_BY_THE_NEWER_EXPORTER =
            Set.of("model.layers.0.post_attention_layernorm.weight", "model.norm.weight");

    @ParameterizedTest
    @ValueSource(strings = {"traced", "exported", "external", "encoder"})
    void parametersHaveTheirOwnNamesAndValues(String name) {
        Path directory = FOLDER.resolve(name);
        try (Checkpoint checkpoint = Checkpoints.open(directory);
                MappedFile file = MappedFile.open(FOLDER.resolve(name + ".safetensors"))) {
            Map<String, TensorSource> expected =
                    new TreeMap<>(SafetensorsFile.read(file).tensors());
            if (name.equals("exported")) {
                expected.keySet().removeAll(LOST_BY_THE_NEWER_EXPORTER);
            }
            assertThat(checkpoint.tensors().keySet()).containsExactlyInAnyOrderElementsOf(expected.keySet());
            assertThat(checkpoint.files().getFirst().path()).isEqualTo(directory.resolve("model.onnx"));
            expected.forEach((tensor, right) -> {
                Shape shape = right.info().shape();
                float[] values = new float[(int) shape.elements()];
                float[] found = new float[values.length];
                right.readRows(0, (int) shape.rows(), values, 0);
                checkpoint.open(tensor, shape).readRows(0, (int) shape.rows(), found, 0);
                assertThat(found).as(tensor).isEqualTo(values);
            });
        }
    }

    /** The page of the family finds every tensor it wants, in the file and in the folder. */
    @ParameterizedTest
    @ValueSource(strings = {"traced", "traced/model.onnx", "external/model.onnx"})
    void decodersAreModels(String name) {
        try (Checkpoint checkpoint = Checkpoints.open(FOLDER.resolve(name))) {
            assertThat(CheckpointModel.of(checkpoint).graph().size()).isEqualTo(21);
        }
    }

    @Test
    void aLostParameterIsNamed() {
        try (Checkpoint checkpoint = Checkpoints.open(FOLDER.resolve("exported"))) {
            CheckpointModel model = CheckpointModel.of(checkpoint);
            Hostile.thrownBy(model::graph)
                    .isInstanceOf(InputException.class)
                    .hasMessageStartingWith("test-data/onnx/exported: tensor \"model.norm.weight\": is missing");
        }
    }

    /** Protobuf by hand. */
    private static final class Bytes {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        Bytes number(int field, long value) {
            varint((long) field << 3);
            return varint(value);
        }

        Bytes varint(long value) {
            long rest = value;
            while ((rest & ~0x7fL) != 0) {
                out.write((int) (rest & 0x7f | 0x80));
                rest >>>= 7;
            }
            out.write((int) rest);
            return this;
        }

        Bytes bytes(int field, byte[] value) {
            varint((long) field << 3 | 2).varint(value.length);
            out.writeBytes(value);
            return this;
        }

        Bytes text(int field, String value) {
            return bytes(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Bytes message(int field, Bytes value) {
            return bytes(field, value.out.toByteArray());
        }
    }

    private static Bytes tensor(String name, int type, long... dims) {
        Bytes tensor = new Bytes();
        for (long dim : dims) {
            tensor.number(1, dim);
        }
        return tensor.number(2, type).text(8, name);
    }

    private static Bytes graph(Bytes... tensors) {
        Bytes graph = new Bytes();
        for (Bytes tensor : tensors) {
            graph.message(5, tensor);
        }
        return graph;
    }

    private Path write(byte[] bytes) {
        try {
            Files.writeString(folder.resolve("config.json"), "{}");
            return Files.write(folder.resolve("model.onnx"), bytes);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private Path model(Bytes graph) {
        return write(
                new Bytes().number(1, 8).text(2, "test").message(7, graph).out.toByteArray());
    }

    private void refused(Path file, String message) {
        Hostile.thrownBy(() -> Checkpoints.open(file).close())
                .isInstanceOf(InputException.class)
                .hasMessage(file + ": " + message);
    }

    @Test
    void smallModelsByHand() {
        Path file = model(graph(
                tensor("a.weight", 10, 2, 1).bytes(9, new byte[] {0, 0x3c, 0, 0x40}),
                tensor("b.weight", 1).bytes(4, new byte[] {0, 0, (byte) 0x80, 0x3f}),
                new Bytes()
                        .bytes(1, new byte[] {1, 2})
                        .number(2, 16)
                        .text(8, "c.bias")
                        .bytes(9, new byte[] {0, 0, (byte) 0x80, 0x3f}),
                tensor("axes", 7, 1).number(7, 3),
                tensor("d.weight", 22, 3).bytes(9, new byte[2])));
        try (Checkpoint checkpoint = Checkpoints.open(file)) {
            assertThat(checkpoint.tensors()).containsOnlyKeys("a.weight", "b.weight", "c.bias");
            assertThat(checkpoint.unreadable()).containsEntry("d.weight", "ONNX type 22");
            float[] values = new float[2];
            checkpoint.open("a.weight", Shape.of(2, 1)).readRows(0, 2, values, 0);
            assertThat(values).containsExactly(1, 2);
            checkpoint.open("b.weight", Shape.of()).readRows(0, 1, values, 0);
            assertThat(values[0]).isEqualTo(1);
            checkpoint.open("c.bias", Shape.of(1, 2)).readRows(0, 1, values, 0);
            assertThat(values).containsExactly(0, 1);
        }
    }

    @Test
    void gemmMayTakeItsMatrixEitherWay() {
        Bytes transB = new Bytes().text(1, "transB").number(3, 1);
        Bytes graph = graph(
                        tensor("x1", 1, 2, 1).bytes(9, new byte[8]),
                        tensor("x2", 1, 2, 1).bytes(9, new byte[8]))
                .message(
                        1,
                        new Bytes()
                                .text(1, "in")
                                .text(1, "x1")
                                .text(3, "/m/fc/Gemm")
                                .text(4, "Gemm")
                                .message(5, transB))
                .message(
                        1,
                        new Bytes()
                                .text(1, "in")
                                .text(1, "x2")
                                .text(3, "/m/other/Gemm")
                                .text(4, "Gemm"));
        try (Checkpoint checkpoint = Checkpoints.open(model(graph))) {
            assertThat(Objects.requireNonNull(checkpoint.tensors().get("m.fc.weight"))
                            .shape())
                    .isEqualTo(Shape.of(2, 1));
            assertThat(Objects.requireNonNull(checkpoint.tensors().get("m.other.weight"))
                            .shape())
                    .isEqualTo(Shape.of(1, 2));
        }
    }

    @Test
    void filesThatAreNoModel() {
        refused(write(new byte[0]), "is no ONNX model: there is no graph in it");
        refused(write(new byte[] {0x0f, 1, 2, 3}), "byte 1: no field of the model begins with tag 15");
        refused(write(new byte[] {0x3a, 100, 0}), "byte 2: field 7 of the model is 100 bytes, 1 are left");
        refused(write(new byte[] {0x38, 5}), "byte 1: field 7 of the model: expected bytes, found wire type 0");
        refused(
                write(new byte[] {8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1}),
                "byte 11: a number in the model has more than ten bytes");
        refused(write(new byte[] {8}), "byte 1: expected 1 bytes, only 0 are left");
        refused(write(new byte[] {0x3a, 0, 0x3a, 0}), "holds two graphs");
        refused(model(new Bytes()), "holds no weights");
        refused(model(graph(tensor("x", 7, 1).number(7, 3))), "no initializer has the name of a module's weight");
        refused(
                write(new Bytes().text(2, "x".repeat(5000)).out.toByteArray()),
                "byte 5003: field 2 of the model: a name of 5000 bytes");
    }

    @Test
    void tensorsThatAreWrong() {
        Bytes one = tensor("a.weight", 1, 1).bytes(9, new byte[4]);
        refused(model(graph(one, one)), "initializer \"a.weight\": comes twice");
        refused(
                model(graph(tensor("a.weight", 1, 2).bytes(9, new byte[4]))),
                "initializer \"a.weight\": expected 8 bytes for F32 [2], found 4");
        refused(model(graph(tensor("a.weight", 1, -1))), "initializer \"a.weight\": negative dimension -1");
        refused(
                model(graph(tensor("a.weight", 1, Long.MAX_VALUE, 4).bytes(9, new byte[4]))),
                "initializer \"a.weight\": more than 2^63-1 elements in [9223372036854775807, 4]");
        refused(
                model(graph(tensor("a.weight", 1, Long.MAX_VALUE).bytes(9, new byte[4]))),
                "initializer \"a.weight\": is larger than any file");
        refused(
                model(graph(tensor("a.weight", 10, 2, 2).bytes(5, new byte[] {1, 2, 3, 4}))),
                "initializer \"a.weight\": holds its values as int32_data, number by number, which is not read");
        refused(
                model(graph(new Bytes().bytes(1, new byte[65]).number(2, 1).text(8, "a.weight"))),
                "byte 79: a tensor of more than 64 dimensions");
        Bytes many = new Bytes().number(2, 1).text(8, "a.weight");
        for (int i = 0; i < 65; i++) {
            many.number(1, 1);
        }
        refused(model(graph(many)), "byte 156: a tensor of more than 64 dimensions");
        Bytes node = new Bytes().text(1, "in").text(1, "x").text(3, "/a/MatMul").text(4, "MatMul");
        refused(
                model(graph(one, tensor("x", 1, 1).bytes(9, new byte[4])).message(1, node)),
                "initializer \"x\": is the matrix of \"a.weight\", found the shape [1]");
        refused(
                model(graph(one, tensor("x", 1, 1, 1).bytes(9, new byte[4])).message(1, node)),
                "initializer \"x\": and another initializer are both \"a.weight\"");
        refused(
                model(graph(one).message(1, new Bytes().text(3, "/a/MatMul").text(4, "MatMulNBits"))),
                "node \"/a/MatMul\": the model is quantized (MatMulNBits)");
    }

    private static Bytes external(String... pairs) {
        Bytes tensor = tensor("a.weight", 1, 2).number(14, 1);
        for (int i = 0; i < pairs.length; i += 2) {
            tensor.message(13, new Bytes().text(1, pairs[i]).text(2, pairs[i + 1]));
        }
        return tensor;
    }

    @ParameterizedTest
    @CsvSource({"/etc/passwd", "../secret", "a/../../secret", "..", "a\\b", "'a\u0007b'"})
    void dataFromElsewhere(String location) {
        Path file = model(graph(external("location", location)));
        Hostile.thrownBy(() -> Checkpoints.open(file).close())
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(
                        file + ": initializer \"a.weight\": expected the name of a file beside the model, found"
                                + " the location \"");
    }

    @Test
    void dataBesideTheModel() throws IOException {
        Files.write(folder.resolve("data.bin"), new byte[] {0, 0, 0, 0, 0, 0, (byte) 0x80, 0x3f, 0, 0, 0, 0x40, 9});
        try (Checkpoint checkpoint =
                Checkpoints.open(model(graph(external("location", "data.bin", "offset", "4", "length", "8"))))) {
            float[] values = new float[2];
            checkpoint.open("a.weight", Shape.of(2)).readRows(0, 1, values, 0);
            assertThat(values).containsExactly(1, 2);
            assertThat(checkpoint.files()).hasSize(2);
        }
        refused(model(graph(external())), "initializer \"a.weight\": lies in another file, and there is no location");
        refused(
                model(graph(external("location", "none.bin"))),
                "initializer \"a.weight\": lies in \"none.bin\", which is not there");
        refused(
                model(graph(external("location", "data.bin", "offset", "6"))),
                "initializer \"a.weight\": lies at bytes 6 to 14 of \"data.bin\", which has 13");
        refused(
                model(graph(external("location", "data.bin", "offset", "999999999999999999"))),
                "initializer \"a.weight\": lies at bytes 999999999999999999 to 1000000000000000007 of \"data.bin\","
                        + " which has 13");
        refused(
                model(graph(external("location", "data.bin", "offset", "-1"))),
                "initializer \"a.weight\": offset: expected a number of bytes, found \"-1\"");
        refused(
                model(graph(external("location", "data.bin", "length", "4"))),
                "initializer \"a.weight\": expected a length of 8 bytes, found 4");
        Path outside = Files.write(Files.createTempFile("outside", ".bin"), new byte[8]);
        Files.createSymbolicLink(folder.resolve("link.bin"), outside);
        refused(
                model(graph(external("location", "link.bin"))),
                "initializer \"a.weight\": \"link.bin\" is a symbolic link out of the directory");
        Files.delete(outside);
    }

    @Test
    void withoutConfiguration() throws IOException {
        Path file = model(graph(tensor("a.weight", 1, 1).bytes(9, new byte[4])));
        Files.delete(folder.resolve("config.json"));
        Hostile.thrownBy(() -> Checkpoints.open(file).close())
                .isInstanceOf(InputException.class)
                .hasMessage(folder + ": no config.json beside the model");
    }

    /** Damage anywhere is a refusal or another model, never anything else. */
    @Test
    void damagedAnywhere() throws IOException {
        byte[] whole = Files.readAllBytes(FOLDER.resolve("external/model.onnx"));
        Random random = new Random(4);
        for (int i = 0; i < 1500; i++) {
            byte[] bytes = i % 3 == 0 ? java.util.Arrays.copyOf(whole, random.nextInt(whole.length)) : whole.clone();
            for (int flips = random.nextInt(3); bytes.length > 0 && flips >= 0; flips--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
            }
            Path file = write(bytes);
            try {
                Checkpoints.open(file).close();
            } catch (InputException e) {
                assertThat(e.getMessage()).startsWith(folder.toString()).doesNotContain("\n");
            }
        }
    }
}
