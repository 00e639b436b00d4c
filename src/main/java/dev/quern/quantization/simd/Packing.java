package dev.quern.quantization.simd;

import dev.quern.quantization.BlockBytes;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Codes of a super-block, a byte each, into the layouts of its type: 32 bytes at a time, shifted four by four. */
final class Packing {
    private static final VectorSpecies<Byte> BYTES = ByteVector.SPECIES_256;
    private static final VectorSpecies<Byte> HALF_BYTES = ByteVector.SPECIES_128;
    private static final int NIBBLES = 0x0f0f0f0f;
    private static final int PAIRS = 0x03030303;
    private static final int BITS = 0x01010101;

    private Packing() {}

    /** 32 bytes: the low four bits of 32 codes, and above them those of the 32 codes at {@code high}. */
    static void nibbles(byte[] codes, int low, int high, byte[] out, int to) {
        IntVector a = ByteVector.fromArray(BYTES, codes, low).reinterpretAsInts();
        IntVector b = ByteVector.fromArray(BYTES, codes, high).reinterpretAsInts();
        a.and(NIBBLES)
                .or(b.and(NIBBLES).lanewise(VectorOperators.LSHL, 4))
                .reinterpretAsBytes()
                .intoArray(out, to);
    }

    /** 32 bytes: bits {@code shift} and {@code shift + 1} of four codes each, 32 apart. */
    static void pairs(byte[] codes, int from, int shift, byte[] out, int to) {
        IntVector a = ByteVector.fromArray(BYTES, codes, from).reinterpretAsInts();
        IntVector b = ByteVector.fromArray(BYTES, codes, from + 32).reinterpretAsInts();
        IntVector c = ByteVector.fromArray(BYTES, codes, from + 64).reinterpretAsInts();
        IntVector d = ByteVector.fromArray(BYTES, codes, from + 96).reinterpretAsInts();
        IntVector ab = a.lanewise(VectorOperators.LSHR, shift)
                .and(PAIRS)
                .or(b.lanewise(VectorOperators.LSHR, shift).and(PAIRS).lanewise(VectorOperators.LSHL, 2));
        IntVector cd = c.lanewise(VectorOperators.LSHR, shift)
                .and(PAIRS)
                .or(d.lanewise(VectorOperators.LSHR, shift).and(PAIRS).lanewise(VectorOperators.LSHL, 2));
        ab.or(cd.lanewise(VectorOperators.LSHL, 4)).reinterpretAsBytes().intoArray(out, to);
    }

    /** 32 bytes: bit {@code shift} of eight codes each, 32 apart. */
    static void bits(byte[] codes, int shift, byte[] out, int to) {
        IntVector bits = IntVector.zero(Lanes.INTS);
        for (int group = 0; group < 8; group++) {
            // A byte's shifted bits cannot leave it: each moves by seven places at most.
            bits = ByteVector.fromArray(BYTES, codes, group * 32)
                    .reinterpretAsInts()
                    .lanewise(VectorOperators.LSHR, shift)
                    .and(BITS)
                    .lanewise(VectorOperators.LSHL, group)
                    .or(bits);
        }
        bits.reinterpretAsBytes().intoArray(out, to);
    }

    /** A block of 32 codes of four bits: 16 bytes, value i beside value i + 16. */
    static void block(byte[] codes, int from, byte[] out, int to) {
        IntVector a = ByteVector.fromArray(HALF_BYTES, codes, from).reinterpretAsInts();
        IntVector b = ByteVector.fromArray(HALF_BYTES, codes, from + 16).reinterpretAsInts();
        a.and(NIBBLES)
                .or(b.and(NIBBLES).lanewise(VectorOperators.LSHL, 4))
                .reinterpretAsBytes()
                .intoArray(out, to);
    }

    /** The fifth bits of a block of 32 codes: four bytes, bit i value i's. */
    static void fifthBits(byte[] codes, int from, byte[] out, int to) {
        long bits = ByteVector.fromArray(BYTES, codes, from)
                .compare(VectorOperators.GT, (byte) 15)
                .toLong();
        BlockBytes.putInt(out, to, (int) bits);
    }
}
