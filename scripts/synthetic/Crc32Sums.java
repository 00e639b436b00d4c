package synthetic;

/**
 * CRC-32 of a sequence from the CRC-32 of its pieces: appending n bytes to a sequence multiplies its checksum by x^8n
 * modulo the generator polynomial (as zlib's crc32_combine does). Polynomials are bit-reversed: x^0 is the top bit.
 */
final class Crc32Sums {
    private static final int GENERATOR = 0xEDB88320;
    private static final int ONE = 1 << 31;

    private Crc32Sums() {}

    /** The checksum of a followed by b. */
    static int join(int a, int b, long bytesOfB) {
        return times(toThePowerOf8(bytesOfB), a) ^ b;
    }

    static int ofZeros(long bytes) {
        return ~times(toThePowerOf8(bytes), ~0);
    }

    private static int toThePowerOf8(long bytes) {
        int square = ONE >>> 8;
        int power = ONE;
        for (long n = bytes; n != 0; n >>>= 1) {
            if ((n & 1) != 0) {
                power = times(square, power);
            }
            square = times(square, square);
        }
        return power;
    }

    private static int times(int a, int b) {
        int product = 0;
        int factor = b;
        for (int bit = ONE; bit != 0; bit >>>= 1) {
            if ((a & bit) != 0) {
                product ^= factor;
            }
            factor = (factor & 1) != 0 ? factor >>> 1 ^ GENERATOR : factor >>> 1;
        }
        return product;
    }
}
