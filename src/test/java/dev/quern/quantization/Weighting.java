package dev.quern.quantization;

import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Importance of a row's values: none, as an importance matrix holds it, and awkward. */
enum Weighting {
    NONE {
        @Override
        float value(Random random, int i) {
            throw new IllegalStateException();
        }
    },
    RANDOM {
        @Override
        float value(Random random, int i) {
            return random.nextFloat() * 3;
        }
    },
    SOME_ZERO {
        @Override
        float value(Random random, int i) {
            return i / 48 % 3 == 0 || random.nextInt(3) == 0 ? 0 : random.nextFloat();
        }
    },
    ALL_ZERO {
        @Override
        float value(Random random, int i) {
            return 0;
        }
    },
    CONSTANT {
        @Override
        float value(Random random, int i) {
            return 1;
        }
    },
    WIDE {
        @Override
        float value(Random random, int i) {
            return (float) Math.exp(random.nextGaussian() * 12);
        }
    },
    ONE_ONLY {
        @Override
        float value(Random random, int i) {
            return i % 37 == 3 ? 1e6f : 1e-6f;
        }
    };

    abstract float value(Random random, int i);

    float @Nullable [] row(int length, long seed) {
        if (this == NONE) {
            return null;
        }
        Random random = new Random(seed * 131 + name().hashCode());
        float[] row = new float[length];
        for (int i = 0; i < length; i++) {
            row[i] = value(random, i);
        }
        return row;
    }
}
