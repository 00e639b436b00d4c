package dev.quern.quantization;

import java.util.Random;

/** Rows of values, ordinary and awkward, to hold codecs against the reference with. All values are finite. */
enum Distribution {
    NORMAL {
        @Override
        float value(Random random, int i) {
            return (float) (random.nextGaussian() * 0.02);
        }
    },
    HEAVY_TAILED {
        @Override
        float value(Random random, int i) {
            double gaussian = random.nextGaussian();
            return (float) (0.01 * gaussian * Math.exp(1.5 * random.nextGaussian()));
        }
    },
    SPARSE {
        @Override
        float value(Random random, int i) {
            return random.nextInt(20) == 0 ? (float) random.nextGaussian() : random.nextBoolean() ? 0f : -0f;
        }
    },
    SPARSE_BLOCKS {
        @Override
        float value(Random random, int i) {
            return i / 16 % 5 < 3 ? 0f : (float) random.nextGaussian() * (i / 32 % 3 == 0 ? 1e-5f : 1f);
        }
    },
    CONSTANT {
        @Override
        float value(Random random, int i) {
            return i / 64 % 2 == 0 ? 0.37f : -1.25f;
        }
    },
    ALTERNATING {
        @Override
        float value(Random random, int i) {
            return (i % 2 == 0 ? 1 : -1) * 0.75f;
        }
    },
    POSITIVE {
        @Override
        float value(Random random, int i) {
            return 3 + random.nextFloat();
        }
    },
    NEGATIVE {
        @Override
        float value(Random random, int i) {
            return -random.nextFloat() - (i / 32 % 2);
        }
    },
    NOT_NEGATIVE {
        @Override
        float value(Random random, int i) {
            return random.nextInt(3) == 0 ? (random.nextBoolean() ? 0f : -0f) : random.nextFloat();
        }
    },
    ZERO {
        @Override
        float value(Random random, int i) {
            return 0;
        }
    },
    NEGATIVE_ZERO {
        @Override
        float value(Random random, int i) {
            return -0f;
        }
    },
    SUBNORMAL {
        @Override
        float value(Random random, int i) {
            return Float.intBitsToFloat(random.nextInt(0x00800000) | random.nextInt() & 0x80000000);
        }
    },
    SMALLEST {
        @Override
        float value(Random random, int i) {
            return Float.MIN_VALUE * (random.nextInt(9) - 4);
        }
    },
    TINY {
        @Override
        float value(Random random, int i) {
            return (float) random.nextGaussian() * (i / 32 % 2 == 0 ? 1e-15f : 3e-16f);
        }
    },
    AROUND_EPSILON {
        @Override
        float value(Random random, int i) {
            return 1e-15f * (0.9f + 0.2f * random.nextFloat()) * (random.nextBoolean() ? 1 : -1);
        }
    },
    HALF_LIMIT {
        @Override
        float value(Random random, int i) {
            return (float) random.nextGaussian() * 65504f;
        }
    },
    HALF_LIMIT_OF_SCALES {
        @Override
        float value(Random random, int i) {
            float reach = 65520f * (i / 32 % 2 == 0 ? 127 : i / 64 % 2 == 0 ? 8 : 4096);
            return reach * (1 - random.nextInt(4) * 1e-4f) * (random.nextBoolean() ? 1 : -1);
        }
    },
    HUGE {
        @Override
        float value(Random random, int i) {
            return (float) random.nextGaussian() * 1e19f;
        }
    },
    LARGEST {
        @Override
        float value(Random random, int i) {
            return Float.MAX_VALUE * (random.nextFloat() * 2 - 1);
        }
    },
    ONE_GIANT {
        @Override
        float value(Random random, int i) {
            return i % 97 == 5 ? 3e38f : (float) random.nextGaussian();
        }
    },
    ANY_EXPONENT {
        @Override
        float value(Random random, int i) {
            return Float.intBitsToFloat(random.nextInt(0x7f800000) | random.nextInt() & 0x80000000);
        }
    },
    INTEGERS {
        @Override
        float value(Random random, int i) {
            return random.nextInt(31) - 15;
        }
    },
    TIES {
        @Override
        float value(Random random, int i) {
            return (random.nextInt(257) - 128) * 0.5f;
        }
    },
    /** Blocks with a scale of 1, so that values lie on and beside the borders between codes. */
    BESIDE_HALVES {
        @Override
        float value(Random random, int i) {
            float extreme = i / 32 % 3 == 0 ? 127 : i / 32 % 3 == 1 ? -8 : -16;
            if (i % 32 == 0) {
                return extreme;
            }
            int reach = (int) Math.abs(extreme);
            float half = random.nextInt(2 * reach) - reach + 0.5f;
            return switch (random.nextInt(3)) {
                case 0 -> Math.nextDown(half);
                case 1 -> half;
                default -> Math.nextUp(half);
            };
        }
    },
    TWO_VALUES {
        @Override
        float value(Random random, int i) {
            return random.nextBoolean() ? 0.1f : -0.1f;
        }
    },
    RAMP {
        @Override
        float value(Random random, int i) {
            return (i - 100) * 0.013f;
        }
    },
    ONE_OUTLIER {
        @Override
        float value(Random random, int i) {
            return i % 41 == 7 ? (float) random.nextGaussian() * 10 : (float) random.nextGaussian() * 0.01f;
        }
    },
    NEARLY_CONSTANT {
        @Override
        float value(Random random, int i) {
            return -1f - random.nextInt(3) * 0x1p-23f;
        }
    };

    abstract float value(Random random, int i);

    float[] row(int length, long seed) {
        Random random = new Random(seed * 31 + name().hashCode());
        float[] row = new float[length];
        for (int i = 0; i < length; i++) {
            row[i] = value(random, i);
        }
        return row;
    }
}
