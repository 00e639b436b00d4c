package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Checkpoints;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.SearchCodec;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The search against an exhaustive one and against the reference, by the weighted squared error. */
class SearchCodecTest {
    private static final int LENGTH = 1024;
    private static final int ROWS = 8;

    private static BlockCodec codec(CodeForm form) {
        return new SearchCodec(form, Codecs.decoder(form.type()));
    }

    private static byte[] encoded(BlockCodec codec, float[] row, float @Nullable [] importance) {
        byte[] out = new byte[Math.toIntExact(codec.type().bytesFor(row.length))];
        codec.quantize(row, 0, row.length, importance, out, 0);
        return out;
    }

    private static float[] decoded(BlockCodec codec, byte[] blocks, int length) {
        float[] out = new float[length];
        codec.dequantize(MemorySegment.ofArray(blocks), 0, length, out, 0);
        return out;
    }

    private static double[] weights(float @Nullable [] importance) {
        double[] weights = new double[LENGTH];
        Arrays.fill(weights, 1);
        for (int i = 0; i < LENGTH && importance != null; i++) {
            weights[i] = importance[i];
        }
        return weights;
    }

    private static double error(BlockCodec codec, float[] row, float @Nullable [] importance) {
        float[] back = decoded(codec, encoded(codec, row, importance), LENGTH);
        double[] weights = weights(importance);
        double error = 0;
        for (int i = 0; i < LENGTH; i++) {
            error += weights[i] * (row[i] - (double) back[i]) * (row[i] - (double) back[i]);
        }
        return error;
    }

    private static void compare(CodeForm form, String what, float[][] rows, float @Nullable [] importance) {
        BlockCodec search = codec(form);
        BlockCodec reference = Codecs.create(form.type(), Kernel.SCALAR);
        ExhaustiveSearch exhaustive = new ExhaustiveSearch(form);
        double found = 0;
        double least = 0;
        double usual = 0;
        for (float[] row : rows) {
            found += error(search, row, importance);
            least += exhaustive.error(row, weights(importance));
            usual += error(reference, row, importance);
        }
        // Of Q2_K's few integers every neighbour would have to be tried with every pair of factors.
        double allowed = form == CodeForm.Q2_K ? 1.005 : 1.002;
        assertThat(found).as("%s, against an exhaustive search", what).isLessThan(allowed * least);
        assertThat(found).as("%s, against the reference", what).isLessThan(usual);
    }

    private static float @Nullable [] importance(boolean wanted) {
        if (!wanted) {
            return null;
        }
        Random random = new Random(7);
        float[] importance = new float[LENGTH];
        for (int i = 0; i < LENGTH; i++) {
            importance[i] = (float) Math.exp(1.2 * random.nextGaussian());
        }
        return importance;
    }

    @ParameterizedTest
    @EnumSource
    void asGoodAsAnExhaustiveSearch(CodeForm form) {
        Random random = new Random(3);
        float[][] normal = new float[ROWS][LENGTH];
        float[][] heavy = new float[ROWS][LENGTH];
        for (int i = 0; i < ROWS * LENGTH; i++) {
            normal[i / LENGTH][i % LENGTH] = (float) (0.02 * random.nextGaussian());
            heavy[i / LENGTH][i % LENGTH] =
                    (float) (0.01 * random.nextGaussian() * Math.exp(0.7 * random.nextGaussian()));
        }
        for (boolean important : new boolean[] {false, true}) {
            String with = important ? " with importance" : "";
            compare(form, form + ", normal" + with, normal, importance(important));
            compare(form, form + ", heavy-tailed" + with, heavy, importance(important));
        }
    }

    @ParameterizedTest
    @EnumSource
    void asGoodAsAnExhaustiveSearchOfTrainedWeights(CodeForm form) throws Exception {
        float[][] rows = new float[ROWS][LENGTH];
        try (Checkpoint checkpoint = Checkpoints.open(Path.of("test-data/models/tolstoy-4m"))) {
            List<TensorSource> matrices = checkpoint.tensors().entrySet().stream()
                    .filter(one -> one.getValue().shape().rows() >= 64)
                    .map(one -> checkpoint.open(one.getKey(), one.getValue().shape()))
                    .toList();
            assertThat(matrices).hasSizeGreaterThan(8);
            for (int row = 0; row < ROWS; row++) {
                TensorSource matrix = matrices.get(row % matrices.size());
                int width = Math.toIntExact(matrix.info().shape().rowLength());
                float[] values = new float[LENGTH + width];
                matrix.readRows(0, LENGTH / width + 1, values, 0);
                System.arraycopy(values, 0, rows[row], 0, LENGTH);
            }
        }
        compare(form, form + ", trained", rows, null);
        compare(form, form + ", trained, with importance", rows, importance(true));
    }

    /** Blocks are encoded eight at a time; what a block becomes does not depend on the others, nor on their number. */
    @ParameterizedTest
    @EnumSource
    void aBlockByItselfIsTheSameBlock(CodeForm form) {
        BlockCodec codec = codec(form);
        int count = 11;
        for (Distribution distribution : List.of(Distribution.NORMAL, Distribution.HEAVY_TAILED, Distribution.TIES)) {
            float[] row = distribution.row(count * form.block(), 5);
            byte[] together = encoded(codec, row, null);
            for (int block = 0; block < count; block++) {
                float[] own = Arrays.copyOfRange(row, block * form.block(), (block + 1) * form.block());
                int bytes = form.type().blockBytes();
                assertThat(encoded(codec, own, null))
                        .as("%s, block %d of %s", form, block, distribution)
                        .isEqualTo(Arrays.copyOfRange(together, block * bytes, (block + 1) * bytes));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void zerosAfterOtherValuesAreZeros(CodeForm form) {
        BlockCodec codec = codec(form);
        encoded(codec, Distribution.NORMAL.row(LENGTH, 1), null);
        assertThat(decoded(codec, encoded(codec, new float[LENGTH], null), LENGTH))
                .containsOnly(0f);
    }

    /** Whatever is within F16's range comes back as something finite, and no worse than zeros would be. */
    @ParameterizedTest
    @EnumSource
    void awkwardValuesBecomeFiniteOnes(CodeForm form) {
        BlockCodec codec = codec(form);
        for (Distribution distribution : Distribution.values()) {
            float[] row = distribution.row(LENGTH, 2);
            double energy = 0;
            for (int i = 0; i < LENGTH; i++) {
                row[i] = Math.clamp(row[i], -60000, 60000);
                energy += (double) row[i] * row[i];
            }
            for (Weighting weighting : Weighting.values()) {
                float[] importance = weighting.row(LENGTH, 2);
                float[] back = decoded(codec, encoded(codec, row, importance), LENGTH);
                for (float value : back) {
                    assertThat(Float.isFinite(value))
                            .as("%s, %s, %s", form, distribution, weighting)
                            .isTrue();
                }
            }
            assertThat(error(codec, row, null)).as("%s, %s", form, distribution).isLessThanOrEqualTo(energy * 1.0001);
        }
    }

    /** Not of a hundredth: the factor of 63 scales of 15 levels is subnormal in F16 there. */
    @Test
    void aConstantFarFromZeroKeepsItsValue() {
        for (CodeForm form : CodeForm.values()) {
            for (float constant : new float[] {3, -3, 1.5f, -1.5f, 1000, -1000}) {
                float[] row = new float[LENGTH];
                Arrays.fill(row, constant);
                BlockCodec codec = codec(form);
                for (float value : decoded(codec, encoded(codec, row, null), LENGTH)) {
                    assertThat(Math.abs(value - constant))
                            .as("%s, %s", form, constant)
                            .isLessThan(0.002f * Math.abs(constant));
                }
            }
        }
    }
}
