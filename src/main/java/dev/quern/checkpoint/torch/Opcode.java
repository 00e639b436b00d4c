package dev.quern.checkpoint.torch;

import org.jspecify.annotations.Nullable;

/**
 * The opcodes of pickle protocols 0 to 5 (Lib/pickletools.py). Accepted are those of torch's weights-only unpickler,
 * those that protocols 3 to 5 write instead, and BINSTRING, which Python 2 writes.
 */
enum Opcode {
    PROTO(0x80, Argument.ONE),
    STOP('.', Argument.NONE),
    FRAME(0x95, Argument.EIGHT),
    MARK('(', Argument.NONE),
    NONE('N', Argument.NONE),
    NEWTRUE(0x88, Argument.NONE),
    NEWFALSE(0x89, Argument.NONE),
    BININT('J', Argument.FOUR),
    BININT1('K', Argument.ONE),
    BININT2('M', Argument.TWO),
    LONG1(0x8a, Argument.LENGTH_1),
    LONG4(0x8b, Argument.LENGTH_4),
    BINFLOAT('G', Argument.EIGHT),
    SHORT_BINSTRING('U', Argument.TEXT_1),
    BINSTRING('T', Argument.TEXT_4),
    BINUNICODE('X', Argument.TEXT_4),
    SHORT_BINUNICODE(0x8c, Argument.TEXT_1),
    BINUNICODE8(0x8d, Argument.TEXT_8),
    BINBYTES('B', Argument.LENGTH_4),
    SHORT_BINBYTES('C', Argument.LENGTH_1),
    BINBYTES8(0x8e, Argument.LENGTH_8),
    BYTEARRAY8(0x96, Argument.LENGTH_8),
    EMPTY_TUPLE(')', Argument.NONE),
    TUPLE('t', Argument.NONE),
    TUPLE1(0x85, Argument.NONE),
    TUPLE2(0x86, Argument.NONE),
    TUPLE3(0x87, Argument.NONE),
    EMPTY_LIST(']', Argument.NONE),
    APPEND('a', Argument.NONE),
    APPENDS('e', Argument.NONE),
    EMPTY_DICT('}', Argument.NONE),
    SETITEM('s', Argument.NONE),
    SETITEMS('u', Argument.NONE),
    EMPTY_SET(0x8f, Argument.NONE),
    ADDITEMS(0x90, Argument.NONE),
    FROZENSET(0x91, Argument.NONE),
    BINGET('h', Argument.ONE),
    LONG_BINGET('j', Argument.FOUR),
    BINPUT('q', Argument.ONE),
    LONG_BINPUT('r', Argument.FOUR),
    MEMOIZE(0x94, Argument.NONE),
    GLOBAL('c', Argument.TWO_LINES),
    STACK_GLOBAL(0x93, Argument.NONE),
    REDUCE('R', Argument.NONE),
    NEWOBJ(0x81, Argument.NONE),
    BUILD('b', Argument.NONE),
    BINPERSID('Q', Argument.NONE),

    NEWOBJ_EX(0x92, Argument.NONE, false),
    INST('i', Argument.TWO_LINES, false),
    OBJ('o', Argument.NONE, false),
    EXT1(0x82, Argument.ONE, false),
    EXT2(0x83, Argument.TWO, false),
    EXT4(0x84, Argument.FOUR, false),
    PERSID('P', Argument.LINE, false),
    GET('g', Argument.LINE, false),
    PUT('p', Argument.LINE, false),
    INT('I', Argument.LINE, false),
    LONG('L', Argument.LINE, false),
    FLOAT('F', Argument.LINE, false),
    STRING('S', Argument.LINE, false),
    UNICODE('V', Argument.LINE, false),
    POP('0', Argument.NONE, false),
    POP_MARK('1', Argument.NONE, false),
    DUP('2', Argument.NONE, false),
    DICT('d', Argument.NONE, false),
    LIST('l', Argument.NONE, false),
    NEXT_BUFFER(0x97, Argument.NONE, false),
    READONLY_BUFFER(0x98, Argument.NONE, false);

    /** What follows an opcode's byte: so many bytes, a length and as many bytes, or lines. */
    enum Argument {
        NONE,
        ONE,
        TWO,
        FOUR,
        EIGHT,
        LENGTH_1,
        LENGTH_4,
        LENGTH_8,
        TEXT_1,
        TEXT_4,
        TEXT_8,
        LINE,
        TWO_LINES
    }

    private static final @Nullable Opcode[] BY_CODE = new @Nullable Opcode[256];

    static {
        for (Opcode opcode : values()) {
            BY_CODE[opcode.code] = opcode;
        }
    }

    private final int code;
    private final Argument argument;
    private final boolean accepted;

    Opcode(int code, Argument argument) {
        this(code, argument, true);
    }

    Opcode(int code, Argument argument, boolean accepted) {
        this.code = code;
        this.argument = argument;
        this.accepted = accepted;
    }

    /** Null for a byte that is no opcode; called for each of millions, so without a wrapper. */
    static @Nullable Opcode of(int code) {
        return BY_CODE[code];
    }

    Argument argument() {
        return argument;
    }

    boolean accepted() {
        return accepted;
    }
}
