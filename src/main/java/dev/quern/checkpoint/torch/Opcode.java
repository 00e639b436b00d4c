package dev.quern.checkpoint.torch;

import org.jspecify.annotations.Nullable;

/**
 * The opcodes of pickle protocols 0 to 5 (Lib/pickletools.py). Accepted are those of torch's weights-only unpickler,
 * those that protocols 3 to 5 write instead, and BINSTRING, which Python 2 writes.
 */
enum Opcode {
    PROTO(0x80),
    STOP('.'),
    FRAME(0x95),
    MARK('('),
    NONE('N'),
    NEWTRUE(0x88),
    NEWFALSE(0x89),
    BININT('J'),
    BININT1('K'),
    BININT2('M'),
    LONG1(0x8a),
    LONG4(0x8b),
    BINFLOAT('G'),
    SHORT_BINSTRING('U'),
    BINSTRING('T'),
    BINUNICODE('X'),
    SHORT_BINUNICODE(0x8c),
    BINUNICODE8(0x8d),
    BINBYTES('B'),
    SHORT_BINBYTES('C'),
    BINBYTES8(0x8e),
    BYTEARRAY8(0x96),
    EMPTY_TUPLE(')'),
    TUPLE('t'),
    TUPLE1(0x85),
    TUPLE2(0x86),
    TUPLE3(0x87),
    EMPTY_LIST(']'),
    APPEND('a'),
    APPENDS('e'),
    EMPTY_DICT('}'),
    SETITEM('s'),
    SETITEMS('u'),
    EMPTY_SET(0x8f),
    ADDITEMS(0x90),
    FROZENSET(0x91),
    BINGET('h'),
    LONG_BINGET('j'),
    BINPUT('q'),
    LONG_BINPUT('r'),
    MEMOIZE(0x94),
    GLOBAL('c'),
    STACK_GLOBAL(0x93),
    REDUCE('R'),
    NEWOBJ(0x81),
    BUILD('b'),
    BINPERSID('Q'),

    NEWOBJ_EX(0x92, false),
    INST('i', false),
    OBJ('o', false),
    EXT1(0x82, false),
    EXT2(0x83, false),
    EXT4(0x84, false),
    PERSID('P', false),
    GET('g', false),
    PUT('p', false),
    INT('I', false),
    LONG('L', false),
    FLOAT('F', false),
    STRING('S', false),
    UNICODE('V', false),
    POP('0', false),
    POP_MARK('1', false),
    DUP('2', false),
    DICT('d', false),
    LIST('l', false),
    NEXT_BUFFER(0x97, false),
    READONLY_BUFFER(0x98, false);

    private static final @Nullable Opcode[] BY_CODE = new @Nullable Opcode[256];

    static {
        for (Opcode opcode : values()) {
            BY_CODE[opcode.code] = opcode;
        }
    }

    private final int code;
    private final boolean accepted;

    Opcode(int code) {
        this(code, true);
    }

    Opcode(int code, boolean accepted) {
        this.code = code;
        this.accepted = accepted;
    }

    /** Null for a byte that is no opcode; called for each of millions, so without a wrapper. */
    static @Nullable Opcode of(int code) {
        return BY_CODE[code];
    }

    boolean accepted() {
        return accepted;
    }
}
