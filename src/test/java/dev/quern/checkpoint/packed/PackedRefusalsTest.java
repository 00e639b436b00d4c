package dev.quern.checkpoint.packed;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Checkpoints;
import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/** Configurations that do not fit their tensors, tensors that do not fit each other: one line each, and what to do. */
class PackedRefusalsTest {
    private static final String Q = "model.layers.0.self_attn.q_proj";

    @TempDir
    Path folder;

    private String file() {
        return folder.resolve("model.safetensors").toString();
    }

    private String config() {
        return folder.resolve("config.json").toString();
    }

    private InputException refusal(PackedFixture fixture) {
        Path written = fixture.write(folder);
        Throwable thrown = Hostile.bounded(() -> Checkpoints.open(written).close());
        assertThat(thrown).isInstanceOf(InputException.class);
        return (InputException) thrown;
    }

    private void refused(PackedFixture fixture, String message) {
        assertThat(refusal(fixture)).hasMessage(message);
    }

    private static PackedFixture with(String name, Consumer<ObjectNode> change) {
        return PackedFixture.of(name).quantization(change);
    }

    @ParameterizedTest
    @ValueSource(strings = {"quanto", "aqlm", "eetq", "vptq", "higgs", "torchao", "spqr", "quark", "exl2", "exl3"})
    void methodsThatAreNotReadAreNamed(String method) {
        InputException refusal = refusal(with("gptq-4bit", config -> config.put("quant_method", method)));
        assertThat(refusal)
                .hasMessage(config() + ": quantization_config.quant_method: \"" + method
                        + "\" is a packing that is not read; known: gptq, awq, fp8, fbgemm_fp8, compressed-tensors, "
                        + "bitsandbytes, hqq, bitnet, mxfp4, modelopt (FP8 and NVFP4), auto-round (in GPTQ's or AWQ's"
                        + " layout)");
        assertThat(refusal.hint()).contains("before it was quantized");
    }

    @Test
    void noMethodAtAll() {
        refused(
                with("gptq-4bit", config -> config.remove("quant_method")),
                config() + ": quantization_config: has no quant_method, so how the weights are packed is not known");
    }

    @Test
    void packedWeightsWithoutAConfiguration() {
        refused(
                PackedFixture.of("gptq-4bit").configure(root -> root.remove("quantization_config")),
                config() + ": no quantization_config, but tensor \"" + Q + ".qweight\" belongs to a packed weight");
    }

    @ParameterizedTest
    @CsvSource({"awq, gptq-8bit-rows", "gptq, hqq-4bit", "hqq, awq", "fp8, awq", "bitnet, awq", "mxfp4, awq"})
    void aMethodThatIsNotTheWeights(String method, String fixture) {
        InputException refusal = refusal(with(fixture, config -> {
            config.put("quant_method", method)
                    .put("bits", 4)
                    .put("group_size", 96)
                    .remove("desc_act");
        }));
        assertThat(refusal.getMessage())
                .satisfiesAnyOf(
                        message -> assertThat(message)
                                .isEqualTo(config() + ": quantization_config.quant_method: \"" + method
                                        + "\" does not fit the weights: no tensor is packed that way"),
                        message -> assertThat(message)
                                .isEqualTo(file() + ": tensor \"" + Q
                                        + ".qzeros\": expected the shape [1, 64], found [1, 16]"));
    }

    @Test
    void codesWithoutScales() {
        refused(
                PackedFixture.of("fp8-tensor")
                        .remove(Q + ".weight_scale")
                        .put("model.norm.weight_scale", "F32", "[]", new byte[4])
                        .put("model.norm.weight", "F8_E4M3", "[4]", new byte[4]),
                folder + ": tensor \"" + Q
                        + ".weight\": is packed as F8_E4M3, and there are no scales to unpack it with");
    }

    @ParameterizedTest
    @CsvSource({
        "gptq-4bit, .qzeros",
        "gptq-4bit, .scales",
        "awq, .qzeros",
        "awq, .scales",
        "compressed-pack-4bit, .weight_scale",
        "compressed-pack-4bit, .weight_shape",
        "compressed-nvfp4, .weight_global_scale",
        "bitsandbytes-nf4, .weight.absmax",
        "bitsandbytes-nf4, .weight.quant_map",
        "bitsandbytes-nf4, .weight",
        "bitsandbytes-nf4-nested, .weight.nested_absmax",
        "bitsandbytes-nf4-nested, .weight.nested_quant_map",
        "bitsandbytes-int8, .weight",
        "hqq-4bit, .scale",
        "hqq-4bit, .zero",
        "hqq-4bit, .shape",
        "bitnet, .weight",
        "fp8-blocks, .weight"
    })
    void aPartIsMissing(String fixture, String part) {
        refused(
                PackedFixture.of(fixture).remove(Q + part),
                folder + ": tensor \"" + Q + part + "\": is missing, and the weight is packed with it");
    }

    @Test
    void expertsWithoutScales() {
        String name = "model.layers.0.mlp.experts.down_proj";
        refused(
                PackedFixture.of("mxfp4").remove(name + "_scales"),
                folder + ": tensor \"" + name + "_scales\": is missing, and the weight is packed with it");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "gptq-4bit; .qweight; I32; [96, 8]; .qzeros; expected the shape [24, 1], found [3, 8]",
                "gptq-4bit; .qzeros; I32; [8, 3]; .qzeros; expected the shape [3, 8], found [8, 3]",
                "gptq-4bit; .scales; F16; [64, 3]; .scales; expected the shape [3, 64], found [64, 3]",
                "gptq-4bit; .g_idx; I32; [96, 1]; ; ",
                "gptq-4bit; .g_idx; I64; [48]; .g_idx; expected 96 elements, found the shape [48]",
                "gptq-4bit; .qweight; I16; [12, 128]; .qweight; expected I32, found I16",
                "gptq-4bit; .qweight; I32; [768]; .qweight; expected a matrix, found the shape [768]",
                "gptq-4bit; .scales; I16; [3, 64]; .scales; expected floats, found I16",
                "awq; .qzeros; I32; [8, 3]; .qzeros; expected the shape [3, 8], found [8, 3]",
                "awq; .scales; F16; [64, 3]; .scales; expected the shape [3, 64], found [64, 3]",
                "fp8-blocks; .weight; U8; [40, 72]; .weight; expected F8_E4M3 or F8_E5M2, found U8",
                "compressed-pack-4bit; .weight_packed; I32; [72, 6]; .weight_shape; says [36, 96], the packed weight"
                        + " has 72 rows",
                "compressed-pack-4bit; .weight_scale; BF16; [54, 2]; .weight_scale; expected the shape [36, 3], found"
                        + " [54, 2]",
                "compressed-pack-4bit-zeros; .weight_zero_point; I32; [2, 5]; .weight_zero_point; expected the shape"
                        + " [5, 2], found [2, 5]",
                "compressed-nvfp4; .weight_scale; F8_E4M3; [8, 6]; .weight_scale; expected the shape [6, 8], found [8,"
                        + " 6]",
                "compressed-int8-channel; .weight; U8; [36, 96]; .weight; expected I8, found U8",
                "bitsandbytes-nf4; .weight; U8; [1728]; ; ",
                "bitsandbytes-int8; .SCB; F32; [6, 8]; .SCB; expected the shape [48], found [6, 8]",
                "hqq-4bit; .scale; I16; [60, 1]; .scale; expected floats, found I16",
                "bitnet; .weight_scale; U8; [2]; .weight_scale; expected floats, found U8",
                "modelopt-nvfp4; .weight_scale; F8_E4M3; [8, 6]; .weight_scale; expected the shape [6, 8], found [8,"
                        + " 6]",
                "modelopt-nvfp4; .weight_scale; U8; [6, 8]; .weight_scale; expected F8_E4M3, found U8",
            })
    void aPartHasAnotherTypeOrShape(
            String fixture, String part, String type, String shape, String where, String problem) {
        PackedFixture changed = PackedFixture.of(fixture).retype(Q + part, type, shape);
        if (where == null) {
            Checkpoints.open(changed.write(folder)).close();
        } else {
            refused(changed, file() + ": tensor \"" + Q + where + "\": " + problem);
        }
    }

    /** Sizes that no bytes bear out, because another is 0, and sizes beyond what an array holds. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "gptq-4bit; .qweight; I32; [549755813888, 0]",
                "gptq-4bit; .scales; F16; [0, 64]",
                "awq; .qweight; I32; [0, 549755813888]",
                "fp8-tensor; .weight; F8_E4M3; [0, 549755813888]",
                "fp8-blocks; .weight_scale_inv; F32; [0, 1]",
                "compressed-pack-4bit; .weight_packed; I32; [0, 12]",
                "compressed-nvfp4; .weight_packed; U8; [0, 1099511627776]",
                "bitsandbytes-int8; .weight; I8; [0, 1099511627776]",
                "bitsandbytes-nf4; .weight.absmax; F32; [0]",
                "hqq-4bit; .W_q; U8; [0, 1]",
                "bitnet; .weight; U8; [0, 1099511627776]",
            })
    void aPartWithoutValues(String fixture, String part, String type, String shape) {
        refused(
                PackedFixture.of(fixture).put(Q + part, type, shape, new byte[0]),
                folder + ": tensor \"" + Q + part + "\": holds no values, its shape is " + shape);
    }

    @Test
    void expertsWithoutValues() {
        refused(
                PackedFixture.of("mxfp4")
                        .put(
                                "model.layers.0.mlp.experts.down_proj_blocks",
                                "U8",
                                "[0,1,1099511627776,16]",
                                new byte[0]),
                folder + ": tensor \"model.layers.0.mlp.experts.down_proj_blocks\": holds no values, its shape is"
                        + " [0, 1, 1099511627776, 16]");
    }

    /** The groups are what the configuration says, so one scale for all of them is another packing. */
    @ParameterizedTest
    @ValueSource(strings = {"[1]", "[1, 1]"})
    void oneScaleForSeveralGroups(String shape) {
        refused(
                PackedFixture.of("compressed-pack-4bit").put(Q + ".weight_scale", "BF16", shape, new byte[2]),
                file() + ": tensor \"" + Q + ".weight_scale\": expected the shape [36, 3], found " + shape);
    }

    @ParameterizedTest
    @CsvSource({"0, -1", "50, 3", "95, 2147483647"})
    void aGroupThatDoesNotExist(int element, int group) {
        refused(
                PackedFixture.of("gptq-4bit-actorder").setInt(Q + ".g_idx", element, group),
                file() + ": tensor \"" + Q + ".g_idx\": element " + element + ": expected a group from 0 to 2, found "
                        + group);
        refused(
                PackedFixture.of("compressed-pack-4bit-actorder").setInt(Q + ".weight_g_idx", element, group),
                file() + ": tensor \"" + Q + ".weight_g_idx\": element " + element
                        + ": expected a group from 0 to 2, found " + group);
    }

    @ParameterizedTest
    @CsvSource({
        "gptq-4bit, bits, 5, '2, 3, 4 or 8'",
        "gptq-4bit, bits, 0, '2, 3, 4 or 8'",
        "gptq-4bit, bits, 4294967300, '2, 3, 4 or 8'",
        "gptq-4bit, group_size, 0, 'a group size, or -1 for whole rows'",
        "gptq-4bit, group_size, -2, 'a group size, or -1 for whole rows'",
        "awq, bits, 8, 4",
        "awq, group_size, -7, 'a group size, or -1 for whole rows'"
    })
    void aNumberThatNoPackingHas(String fixture, String key, long value, String expected) {
        refused(
                with(fixture, config -> config.put(key, value)),
                config() + ": quantization_config." + key + ": expected " + expected + ", found " + value);
    }

    @Test
    void bitsThatAreNotThere() {
        refused(
                with("gptq-4bit", config -> config.remove("bits")),
                config() + ": quantization_config.bits: is not there");
        refused(
                with("gptq-4bit", config -> config.put("bits", "four")),
                config() + ": quantization_config.bits: expected an integer, found \"four\"");
    }

    @Test
    void bitsThatDoNotFitTheCodes() {
        refused(
                with("gptq-4bit", config -> config.put("bits", 8)),
                file() + ": tensor \"" + Q + ".qweight\": its 12 rows are not whole runs of 32 codes of 8 bits");
    }

    @ParameterizedTest
    @CsvSource({
        "gptq-4bit, checkpoint_format, marlin, 'gptq, gptq_v2'",
        "gptq-4bit, checkpoint_format, bitblas, 'gptq, gptq_v2'",
        "awq, version, gemv, gemm",
        "awq, version, marlin, gemm",
        "bitnet, linear_class, ternary, 'bitlinear, autobitlinear'",
        "modelopt-fp8, quant_algo, W4A8_AWQ, 'FP8, FP8_PB_WO, NVFP4, MIXED_PRECISION of these'"
    })
    void layoutsThatAreNotRead(String fixture, String key, String value, String known) {
        refused(
                with(fixture, config -> config.put(key, value)),
                config() + ": quantization_config." + key + ": \"" + value + "\" is a packing that is not read; known: "
                        + known);
    }

    @Test
    void formatsOfCompressedTensorsThatAreNotRead() {
        refused(
                with("compressed-pack-4bit", config -> config.put("format", "marlin-24")),
                folder + ": tensor \"" + Q
                        + ".weight\": is in the compressed-tensors format \"marlin-24\", which is not"
                        + " read; known: pack-quantized, int-quantized, float-quantized, naive-quantized,"
                        + " nvfp4-pack-quantized, mxfp4-pack-quantized");
        refused(
                with(
                        "compressed-pack-4bit",
                        config -> config.putObject("sparsity_config").put("format", "sparse-24-bitmask")),
                config()
                        + ": quantization_config.sparsity_config.format: \"sparse-24-bitmask\" is a packing that is not"
                        + " read; known: dense");
    }

    @Test
    void groupsOfCompressedTensors() {
        refused(
                with("compressed-pack-4bit", config -> config.putObject("config_groups")),
                config() + ": quantization_config.config_groups: names no weights");
        refused(
                with("compressed-pack-4bit", config -> group(config).putArray("targets")),
                config() + ": quantization_config.config_groups.group_0.targets: is not there");
        refused(
                with(
                        "compressed-pack-4bit",
                        config -> group(config).putArray("targets").add("re:.*k_proj")),
                config() + ": quantization_config.config_groups: no group targets \"" + Q + "\"");
        refused(
                with(
                        "compressed-pack-4bit",
                        config -> ((ObjectNode) config.get("config_groups"))
                                .set("group_1", group(config).deepCopy())),
                config() + ": quantization_config.config_groups: several groups target the class of \"" + Q + "\"");
        refused(
                with(
                        "compressed-pack-4bit",
                        config -> ((ObjectNode) group(config).get("weights")).put("num_bits", 9)),
                config()
                        + ": quantization_config.config_groups.group_0.weights.num_bits: expected 1, 2, 3, 4, 5, 6, 7"
                        + " or 8, found 9");
        refused(
                with(
                        "compressed-pack-4bit",
                        config -> ((ObjectNode) group(config).get("weights")).put("num_bits", "4")),
                config() + ": quantization_config.config_groups.group_0.weights.num_bits: expected an integer");
        refused(
                with("compressed-pack-4bit", config -> config.putArray("ignore").add("re:.*q_proj")),
                config() + ": quantization_config.ignore: lists \"" + Q + "\", and it is packed");
        refused(
                with(
                        "compressed-float8-blocks",
                        config -> ((ObjectNode) group(config).get("weights"))
                                .putArray("block_structure")
                                .add(16)),
                config() + ": quantization_config.config_groups.group_0.weights.block_structure: expected two block"
                        + " sizes, found [16]");
    }

    private static ObjectNode group(ObjectNode config) {
        return (ObjectNode) config.get("config_groups").get("group_0");
    }

    @Test
    void patternsFromStrangers() {
        refused(
                with("compressed-pack-4bit", config -> config.putArray("ignore").add("re:(")),
                config() + ": module pattern \"(\": Unclosed group");
        String evil = ".*.*.*.*.*.*.*!";
        long begun = System.nanoTime();
        refused(
                with("compressed-pack-4bit", config -> config.putArray("ignore").add("re:" + evil)),
                config() + ": module pattern \"" + evil + "\": takes more than 100000 steps on \"" + Q + "\"");
        assertThat(System.nanoTime() - begun).isLessThan(1_000_000_000L);
        refused(
                with("compressed-pack-4bit", config -> config.putArray("ignore").add("re:" + "a".repeat(2000))),
                config() + ": a module pattern is 2000 characters long");
    }

    @Test
    void codesThatDoNotFillTheShape() {
        refused(
                PackedFixture.of("compressed-pack-4bit").setLong(Q + ".weight_shape", 1, 88),
                file() + ": tensor \"" + Q + ".weight_packed\": expected the shape [36, 11], found [36, 12]");
    }

    @Test
    void scalesThatFitNoWeight() {
        refused(
                with(
                        "fp8-blocks",
                        config -> config.putArray("weight_block_size").add(16).add(16)),
                file() + ": tensor \"" + Q
                        + ".weight_scale_inv\": its shape [3, 3] does not fit a weight of shape [40, 72]"
                        + " in blocks of [16, 16]");
        refused(
                with(
                        "fp8-blocks",
                        config -> config.putArray("weight_block_size").add(16)),
                config() + ": quantization_config.weight_block_size: expected two block sizes, found [16]");
        refused(
                with(
                        "fp8-blocks",
                        config -> config.putArray("weight_block_size").add(0).add(16)),
                config() + ": quantization_config.weight_block_size: expected two block sizes, found [0, 16]");
        refused(
                with("fp8-blocks", config -> config.remove("weight_block_size")),
                file() + ": tensor \"" + Q
                        + ".weight_scale_inv\": its shape [3, 3] does not fit a weight of shape [40, 72]");
    }

    @Test
    void exceptionsOfGptqModel() {
        refused(
                with("gptq-4bit", config -> config.putObject("dynamic").putObject("-:.*q_proj")),
                config() + ": quantization_config.dynamic: says that \"" + Q + "\" is not packed, and it is");
        refused(
                with(
                        "gptq-4bit",
                        config -> config.putObject("dynamic")
                                .putObject("+:.*q_proj")
                                .put("bits", 7)),
                config() + ": quantization_config.dynamic: expected 2, 3, 4 or 8, found 7");
        PackedFixture eight = with("gptq-8bit", config -> {
            config.put("bits", 4);
            config.putObject("dynamic").putObject(".*q_proj").put("bits", 8);
        });
        try (Checkpoint checkpoint = Checkpoints.open(eight.write(folder))) {
            assertThat(checkpoint.open(Q + ".weight", Shape.of(64, 96)).info().shape())
                    .isEqualTo(Shape.of(64, 96));
        }
    }

    @Test
    void statesOfBitsAndBytes() {
        String state = Q + ".weight.quant_state.bitsandbytes__nf4";
        refused(state("bitsandbytes-nf4", state, "{"), file() + ": tensor \"" + state + "\": is not JSON");
        refused(
                state("bitsandbytes-nf4", state, "{\"shape\":[48],\"blocksize\":64}"),
                file() + ": tensor \"" + state + "\": expected the shape of a matrix, found [48]");
        refused(
                state("bitsandbytes-nf4", state, "{\"shape\":[48,72],\"blocksize\":0}"),
                file() + ": tensor \"" + state + "\": expected block sizes, found 0 and ");
        refused(
                state("bitsandbytes-nf4", state, "{\"shape\":[48,73],\"blocksize\":64}"),
                file() + ": tensor \"" + Q + ".weight\": expected 1752 elements, found the shape [1728, 1]");
        refused(
                state("bitsandbytes-nf4", state, "{\"shape\":[48,72],\"blocksize\":128}"),
                file() + ": tensor \"" + Q + ".weight.absmax\": expected 27 elements, found the shape [54]");
        refused(
                state("bitsandbytes-nf4-nested", state, "{\"shape\":[48,72],\"blocksize\":64}"),
                folder + ": tensor \"" + state + "\": says nothing of nested_blocksize, and absmax is packed");
    }

    private static PackedFixture state(String fixture, String name, String json) {
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        return PackedFixture.of(fixture).put(name, "U8", "[" + bytes.length + "]", bytes);
    }

    @Test
    void bitsOfBitsAndBytes() {
        refused(
                with(
                        "bitsandbytes-int8",
                        config -> config.put("load_in_8bit", false).put("load_in_4bit", true)),
                config() + ": quantization_config.load_in_4bit: is true, but \"" + Q + "\" is packed in 8 bits");
        refused(
                with(
                        "bitsandbytes-nf4",
                        config -> config.put("load_in_8bit", true).put("load_in_4bit", false)),
                config() + ": quantization_config.load_in_8bit: is true, but \"" + Q + "\" is packed in 4 bits");
        refused(
                PackedFixture.of("bitsandbytes-int8").put(Q + ".weight_format", "U8", "[]", new byte[] {2}),
                file() + ": tensor \"" + Q + ".weight_format\": the 8-bit weight is not in row-major order");
    }

    @Test
    void factsOfHqq() {
        refused(
                PackedFixture.of("hqq-4bit")
                        .put(Q + ".packing", "U8", "[7]", "5bit_u8".getBytes(StandardCharsets.UTF_8)),
                folder + ": tensor \"" + Q + ".packing\": the packing \"5bit_u8\" is not read; known: 8bit_u8, 4bit_u8,"
                        + " 3bit_32, 2bit_u8, 1bit_u8");
        refused(
                PackedFixture.of("hqq-4bit").setInt(Q + ".axis", 0, 2),
                folder + ": tensor \"" + Q + ".axis\": expected 0 or 1, found 2");
        refused(
                PackedFixture.of("hqq-4bit").setInt(Q + ".group_size", 0, 7),
                folder + ": tensor \"" + Q + ".group_size\": 7 does not divide the 3840 weights");
        refused(
                PackedFixture.of("hqq-4bit").setLong(Q + ".shape", 0, 64),
                file() + ": tensor \"" + Q
                        + ".W_q\": expected 2560 bytes for 5120 weights in the packing 4bit_u8, found U8"
                        + " [30, 64]");
        refused(
                PackedFixture.of("hqq-4bit").setLong(Q + ".shape", 0, Long.MAX_VALUE),
                file() + ": tensor \"" + Q
                        + ".shape\": expected the shape of a matrix, found [9223372036854775807, 80]");
        refused(
                PackedFixture.of("hqq-4bit").put(Q + ".quant_zero", "U8", "[]", new byte[] {1}),
                folder + ": tensor \"" + Q + ".quant_zero\": scales and zero points are packed themselves, which is not"
                        + " read");
    }

    @Test
    void otherFactsThatStop() {
        refused(
                PackedFixture.of("bitnet").put(Q + ".weight_scale", "F32", "[1]", new byte[4]),
                file() + ": tensor \"" + Q + ".weight\": its weight_scale is 0.0, which does not divide");
        refused(
                with("bitnet-auto", config -> config.put("quantization_mode", "online")),
                config()
                        + ": quantization_config.quantization_mode: is \"online\": the weights are rounded to three"
                        + " values when the model runs, which GGUF cannot say");
        refused(
                PackedFixture.of("modelopt-nvfp4").put(Q + ".pre_quant_scale", "F32", "[128]", new byte[512]),
                folder + ": tensor \"" + Q + ".pre_quant_scale\": scales activations (AWQ), which GGUF cannot hold");
        refused(
                PackedFixture.of("compressed-nvfp4").put(Q + ".weight_global_scale", "F32", "[1]", new byte[4]),
                file() + ": tensor \"" + Q + ".weight_global_scale\": expected a positive number, found 0.0");
        String experts = "model.layers.0.mlp.experts.down_proj";
        refused(
                PackedFixture.of("mxfp4").retype(experts + "_blocks", "U8", "[2, 6, 6, 8]"),
                file() + ": tensor \"" + experts
                        + "_blocks\": expected blocks of 16 bytes, found the shape [2, 6, 6, 8]");
    }

    @Test
    void aNegativeScaleHasNoPlaceInGguf() {
        PackedFixture fixture = PackedFixture.of("modelopt-nvfp4");
        fixture.bytes(Q + ".weight_scale")[9] |= (byte) 0x80;
        try (Checkpoint checkpoint = Checkpoints.open(fixture.write(folder))) {
            var blocks =
                    checkpoint.open(Q + ".weight", Shape.of(6, 128)).blocks().orElseThrow();
            byte[] row = new byte[(int) blocks.rowBytes()];
            blocks.reader().readRows(0, 1, row, 0);
            Hostile.thrownBy(() -> blocks.reader().readRows(1, 1, row, 0))
                    .isInstanceOf(InputException.class)
                    .hasMessage(
                            file() + ": tensor \"" + Q + ".weight_scale\": scale 9 is negative, and GGUF's NVFP4 scales"
                                    + " have no sign; --dequantize reads it");
        }
    }

    @Test
    void theShapeThatTheModelCallsFor() {
        try (Checkpoint checkpoint =
                Checkpoints.open(PackedFixture.of("gptq-4bit").write(folder))) {
            Hostile.thrownBy(() -> checkpoint.open(Q + ".weight", Shape.of(96, 64)))
                    .isInstanceOf(InputException.class)
                    .hasMessage(file() + ": tensor \"" + Q + ".weight\": expected the shape [96, 64], found [64, 96]"
                            + " (unpacked from GPTQ (4-bit))");
            assertThat(checkpoint.open(Q + ".bias", Shape.of(64)).info().shape())
                    .isEqualTo(Shape.of(64));
        }
    }

    @Test
    void configurationsInFilesOfTheirOwn() throws Exception {
        PackedFixture gptq = PackedFixture.of("gptq-4bit").configure(root -> root.remove("quantization_config"));
        gptq.write(folder);
        Files.writeString(folder.resolve("quantize_config.json"), "{\"bits\":4,\"group_size\":32,\"desc_act\":false}");
        try (Checkpoint checkpoint = Checkpoints.open(folder)) {
            assertThat(checkpoint.packing()).contains("GPTQ (4-bit)");
        }
        Files.delete(folder.resolve("quantize_config.json"));
        PackedFixture.of("modelopt-fp8")
                .configure(root -> root.remove("quantization_config"))
                .write(folder);
        Files.writeString(
                folder.resolve("hf_quant_config.json"),
                "{\"producer\":{\"name\":\"modelopt\"},\"quantization\":{\"quant_algo\":\"FP8\"}}");
        try (Checkpoint checkpoint = Checkpoints.open(folder)) {
            assertThat(checkpoint.packing()).contains("ModelOpt (FP8)");
        }
    }

    @Test
    void autoRoundInTheLayoutsOfOthers() {
        for (String[] known : List.of(
                new String[] {"gptq-4bit", "auto_round:auto_gptq", "GPTQ (4-bit)"},
                new String[] {"awq", "auto_round:auto_awq", "AWQ (4-bit)"})) {
            PackedFixture fixture = with(
                    known[0], config -> config.put("quant_method", "auto-round").put("packing_format", known[1]));
            try (Checkpoint checkpoint = Checkpoints.open(fixture.write(folder))) {
                assertThat(checkpoint.packing()).contains(known[2]);
            }
        }
        refused(
                with("awq", config -> config.put("quant_method", "auto-round").put("packing_format", "auto_round:fp8")),
                config()
                        + ": quantization_config.packing_format: \"auto_round:fp8\" is a packing that is not read;"
                        + " known: auto_round:auto_gptq, auto_round:auto_awq");
    }

    /** Bits of one code beside the other's: what a zero point of 0 looks like under either convention. */
    @Test
    void aZeroPointOfNothing() {
        PackedFixture fixture = PackedFixture.of("gptq-4bit");
        ByteBuffer.wrap(fixture.bytes(Q + ".qzeros"))
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0, 0xffff_ffff);
        ByteBuffer.wrap(fixture.bytes(Q + ".qweight"))
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0, 0x0000_0003);
        ByteBuffer.wrap(fixture.bytes(Q + ".scales"))
                .order(ByteOrder.LITTLE_ENDIAN)
                .putShort(0, Float.floatToFloat16(2));
        try (Checkpoint checkpoint = Checkpoints.open(fixture.write(folder))) {
            float[] row = new float[96];
            checkpoint.open(Q + ".weight", Shape.of(64, 96)).readRows(0, 1, row, 0);
            assertThat(row[0]).isEqualTo(6);
            assertThat(row[1]).isZero();
        }
    }
}
