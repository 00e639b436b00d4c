package dev.quern.cli;

import dev.quern.checkpoint.packed.PackedFixture;
import dev.quern.checkpoint.safetensors.SafetensorsFile;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;

/** A model's Linear layers packed as ModelOpt packs NVFP4, rounded to nearest. */
final class Nvfp4Model {
    private static final float[] VALUES = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

    private Nvfp4Model() {}

    static void write(Path safetensors, Path folder) throws IOException {
        PackedFixture packed = PackedFixture.empty().add(safetensors, name -> !name.endsWith("_proj.weight"));
        try (MappedFile file = MappedFile.open(safetensors)) {
            for (Map.Entry<String, TensorSource> entry :
                    SafetensorsFile.read(file).tensors().entrySet()) {
                if (entry.getKey().endsWith("_proj.weight")) {
                    add(entry.getKey(), entry.getValue(), packed);
                }
            }
        }
        packed.write(folder);
        Files.copy(
                safetensors.resolveSibling("config.json"),
                folder.resolve("config.json"),
                StandardCopyOption.REPLACE_EXISTING);
        Tampered.edit(
                folder.resolve("config.json"),
                text -> text.replaceFirst(
                        "\\{",
                        "{\"quantization_config\": {\"quant_method\": \"modelopt\", \"quant_algo\": \"NVFP4\"},"));
    }

    private static void add(String name, TensorSource weight, PackedFixture packed) {
        int rows = (int) weight.info().shape().dim(0);
        int columns = (int) weight.info().shape().dim(1);
        float[] values = new float[rows * columns];
        weight.readRows(0, rows, values, 0);
        float largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        float matrix = largest / (448 * 6);
        byte[] codes = new byte[values.length / 2];
        byte[] scales = new byte[values.length / 16];
        for (int group = 0; group < scales.length; group++) {
            float most = 0;
            for (int i = 0; i < 16; i++) {
                most = Math.max(most, Math.abs(values[group * 16 + i]));
            }
            int scale = nearestE4m3(most / 6 / matrix);
            scales[group] = (byte) scale;
            for (int i = 0; i < 16; i++) {
                int at = group * 16 + i;
                codes[at / 2] |= (byte) (nearestE2m1(values[at] / (e4m3(scale) * matrix)) << at % 2 * 4);
            }
        }
        packed.put(name, "U8", "[" + rows + "," + columns / 2 + "]", codes);
        packed.put(name + "_scale", "F8_E4M3", "[" + rows + "," + columns / 16 + "]", scales);
        packed.put(name + "_scale_2", "F32", "[]", bytes(matrix));
        packed.put(name.replace(".weight", ".input_scale"), "F32", "[]", bytes(0.01f));
    }

    private static byte[] bytes(float value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(value)
                .array();
    }

    private static float e4m3(int bits) {
        int exponent = bits >> 3;
        return exponent == 0 ? (bits & 7) * 0x1p-9f : Math.scalb(1 + (bits & 7) / 8f, exponent - 7);
    }

    private static int nearestE4m3(float value) {
        int best = 0;
        for (int bits = 1; bits < 0x7f; bits++) {
            if (Math.abs(e4m3(bits) - value) < Math.abs(e4m3(best) - value)) {
                best = bits;
            }
        }
        return best;
    }

    private static int nearestE2m1(float value) {
        int best = 0;
        for (int code = 1; code < 8; code++) {
            if (Math.abs(VALUES[code] - Math.abs(value)) < Math.abs(VALUES[best] - Math.abs(value))) {
                best = code;
            }
        }
        return value < 0 ? best | 8 : best;
    }
}
