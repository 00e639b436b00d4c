package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Large models start on vector kernels, small ones on scalar code: the same bytes either way. */
class ConversionStartTest {
    @TempDir
    Path folder;

    /** Values that went through a codec of a kernel, by "TYPE KERNEL". */
    private final Map<String, LongAdder> encoded = new ConcurrentHashMap<>();

    private final class Counted implements BlockCodec {
        private final BlockCodec codec;
        private final LongAdder values;

        Counted(QuantType type, Kernel kernel) {
            codec = Codecs.create(type, kernel);
            values = encoded.computeIfAbsent(type + " " + kernel, name -> new LongAdder());
        }

        @Override
        public QuantType type() {
            return codec.type();
        }

        @Override
        public void quantize(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
            values.add(length);
            codec.quantize(row, from, length, importance, out, to);
        }

        @Override
        public void dequantize(MemorySegment blocks, long at, int count, float[] out, int to) {
            codec.dequantize(blocks, at, count, out, to);
        }
    }

    private Path convert(Path in, String name, Kernel kernel, long warmedValues) {
        Path out = folder.resolve(name);
        try (Source source = Source.open(in)) {
            OutputPlan plan = Quantization.plan(source, FileType.Q4_K_M, QuantizationOptions.NONE);
            Conversion.run(
                    List.of(new Conversion.Output(plan, out)),
                    Inputs.of(List.of(in)),
                    new Conversion.Options(2, kernel, false, false, Progress.SILENT),
                    new Conversion.Start(warmedValues, Counted::new));
        }
        return out;
    }

    @Test
    void sameBytesWhicheverStart() throws IOException {
        Path in = Fabricated.llama(8, 4, 4).write(folder.resolve("in.gguf"));
        Path scalar = convert(in, "scalar.gguf", Kernel.SCALAR, Long.MAX_VALUE);
        assertThat(encoded.keySet()).containsExactlyInAnyOrder("Q4_K SCALAR", "Q6_K SCALAR");
        encoded.clear();
        Path small = convert(in, "small.gguf", Kernel.SIMD, Long.MAX_VALUE);
        assertThat(encoded).isEmpty();
        Path large = convert(in, "large.gguf", Kernel.SIMD, 0);
        assertThat(encoded.keySet()).containsExactlyInAnyOrder("Q4_K SIMD", "Q6_K SIMD");
        // Seven matrices a layer, the embedding and the output; vectors are copied.
        assertThat(encoded.values().stream().mapToLong(LongAdder::sum).sum())
                .isEqualTo((8 * 7 + 2) * Fabricated.ROWS * (long) Fabricated.WIDTH);
        assertThat(small).hasSameBinaryContentAs(scalar);
        assertThat(large).hasSameBinaryContentAs(scalar);
    }
}
