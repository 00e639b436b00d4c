package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.PickleValue.Bytes;
import dev.quern.checkpoint.torch.PickleValue.Container;
import dev.quern.checkpoint.torch.PickleValue.Dict;
import dev.quern.checkpoint.torch.PickleValue.Inert;
import dev.quern.checkpoint.torch.PickleValue.Int;
import dev.quern.checkpoint.torch.PickleValue.Items;
import dev.quern.checkpoint.torch.PickleValue.Members;
import dev.quern.checkpoint.torch.PickleValue.Nothing;
import dev.quern.checkpoint.torch.PickleValue.Real;
import dev.quern.checkpoint.torch.PickleValue.Text;
import dev.quern.checkpoint.torch.PickleValue.Truth;
import dev.quern.checkpoint.torch.PickleValue.Tuple;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.lang.foreign.MemorySegment;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A pickle machine that builds values and runs nothing: opcodes outside {@link Opcode}'s accepted ones, names outside
 * {@link Globals}, and calls with other arguments than torch.save writes refuse the file. It knows no container:
 * {@link StorageTable} says what a persistent id means.
 */
final class Unpickler {
    /** 200,000 tensors take about 9 million. */
    private static final long MAX_OPCODES = 16_000_000;

    private static final int MAX_STACK = 1_000_000;
    private static final int MAX_MARKS = 1_000;
    private static final int MAX_MEMO = 4_000_000;
    private static final int MAX_NESTING = 200;

    /** Entries of all lists and dicts together; a state dict has one for each tensor. */
    private static final int MAX_ENTRIES = 4_000_000;

    private final PickleInput input;
    private final StorageTable storages;
    private final Calls calls;
    private final List<PickleValue> stack = new ArrayList<>();
    private final List<Integer> marks = new ArrayList<>();
    private final Map<Integer, PickleValue> memo = new HashMap<>();
    private long entries;

    /**
     * @param part what the pickle is called inside the file, for messages
     * @param start where in {@code bytes} the pickle begins
     */
    Unpickler(Path file, String part, MemorySegment bytes, long start, StorageTable storages) {
        this.input = new PickleInput(file, part, bytes, start);
        this.storages = storages;
        this.calls = new Calls(input::refused, this::count);
    }

    /**
     * Reads one pickle to its STOP, which must leave nothing on the stack; {@link #position} then says where it ended.
     */
    PickleValue read() {
        readProtocol();
        for (long count = 0; count < MAX_OPCODES; count++) {
            Opcode opcode = input.opcode();
            if (opcode == Opcode.STOP) {
                return stop();
            }
            execute(opcode);
        }
        throw input.refused("comes after " + MAX_OPCODES + " opcodes, the most that Quern reads");
    }

    /** Behind STOP. */
    long position() {
        return input.position();
    }

    private void readProtocol() {
        if (input.opcode() != Opcode.PROTO) {
            throw input.refused("stands where PROTO belongs: pickle protocols 0 and 1 are not read")
                    .withHint("load the file with torch and save it again");
        }
        int version = input.u8();
        if (version < 2 || version > 5) {
            throw input.refused("names protocol " + version + ", expected 2 to 5");
        }
    }

    private PickleValue stop() {
        if (!marks.isEmpty()) {
            throw input.refused("comes while a MARK is open");
        }
        PickleValue result = pop();
        if (!stack.isEmpty()) {
            throw input.refused("leaves " + stack.size() + " values on the stack");
        }
        return result;
    }

    private void execute(Opcode opcode) {
        switch (opcode) {
            case PROTO -> throw input.refused("comes a second time");
            case FRAME -> input.frame();
            case MARK -> mark();
            case NONE -> push(Nothing.NONE);
            case NEWTRUE -> push(new Truth(true));
            case NEWFALSE -> push(new Truth(false));
            case BININT -> push(new Int(input.i32()));
            case BININT1 -> push(new Int(input.u8()));
            case BININT2 -> push(new Int(input.u16()));
            case LONG1 -> push(integer(input.integer(input.u8())));
            case LONG4 -> push(integer(input.integer(input.i32())));
            case BINFLOAT -> push(new Real(input.real()));
            case SHORT_BINSTRING -> push(python2Text(input.raw(input.u8())));
            case BINSTRING -> push(python2Text(input.raw(input.u32())));
            case BINUNICODE -> push(new Text(input.utf8(input.u32())));
            case SHORT_BINUNICODE -> push(new Text(input.utf8(input.u8())));
            case BINUNICODE8 -> push(new Text(input.utf8(input.u64())));
            case BINBYTES -> push(bytes(input.raw(input.u32())));
            case SHORT_BINBYTES -> push(bytes(input.raw(input.u8())));
            case BINBYTES8, BYTEARRAY8 -> push(bytes(input.raw(input.u64())));
            case EMPTY_TUPLE -> push(new Tuple(List.of()));
            case TUPLE -> push(tuple(popToMark()));
            case TUPLE1 -> push(tuple(popLast(1)));
            case TUPLE2 -> push(tuple(popLast(2)));
            case TUPLE3 -> push(tuple(popLast(3)));
            case EMPTY_LIST -> push(new Items());
            case APPEND -> append(popLast(1));
            case APPENDS -> append(popToMark());
            case EMPTY_DICT -> push(new Dict(false));
            case SETITEM -> setItems(popLast(2));
            case SETITEMS -> setItems(popToMark());
            case EMPTY_SET -> push(new Members());
            case ADDITEMS -> addMembers(popToMark());
            case FROZENSET -> {
                popToMark();
                push(new Members());
            }
            case BINGET -> push(recall(input.u8()));
            case LONG_BINGET -> push(recall(input.u32()));
            case BINPUT -> memorize(input.u8());
            case LONG_BINPUT -> memorize(input.u32());
            case MEMOIZE -> memorize(memo.size());
            case GLOBAL -> push(global(input.line(), input.line()));
            case STACK_GLOBAL -> stackGlobal();
            case REDUCE -> reduce();
            case NEWOBJ ->
                throw input.refused("builds an object of a class: this is a whole object, not its weights")
                        .withHint("save model.state_dict() instead of the model");
            case BUILD -> build();
            case BINPERSID -> push(storages.load(pop(), input::refused));
            case STOP -> throw new IllegalStateException("handled by the caller");
            case NEWOBJ_EX,
                    INST,
                    OBJ,
                    EXT1,
                    EXT2,
                    EXT4,
                    PERSID,
                    GET,
                    PUT,
                    INT,
                    LONG,
                    FLOAT,
                    STRING,
                    UNICODE,
                    POP,
                    POP_MARK,
                    DUP,
                    DICT,
                    LIST,
                    NEXT_BUFFER,
                    READONLY_BUFFER -> throw new IllegalStateException("refused by the input");
        }
    }

    private static PickleValue integer(BigInteger value) {
        return value.bitLength() < Long.SIZE ? new Int(value.longValueExact()) : new Inert("an integer beyond 64 bits");
    }

    /** Python 2's str: text as far as it is text, as torch.load decodes it. */
    private static PickleValue python2Text(byte[] raw) {
        return PickleInput.strict(raw).<PickleValue>map(Text::new).orElseGet(() -> bytes(raw));
    }

    private static Bytes bytes(byte[] raw) {
        return new Bytes(new String(raw, StandardCharsets.ISO_8859_1));
    }

    private void mark() {
        if (marks.size() == MAX_MARKS) {
            throw input.refused("nests deeper than " + MAX_MARKS);
        }
        marks.add(stack.size());
    }

    private void push(PickleValue value) {
        if (stack.size() == MAX_STACK) {
            throw input.refused("would put more than " + MAX_STACK + " values on the stack");
        }
        stack.add(value);
    }

    /** How many values stand above the last MARK; the ones below are not the opcode's to take. */
    private int available() {
        return stack.size() - (marks.isEmpty() ? 0 : marks.getLast());
    }

    private PickleValue peek() {
        if (available() == 0) {
            throw input.refused("finds no value on the stack");
        }
        return stack.getLast();
    }

    private PickleValue pop() {
        peek();
        return stack.removeLast();
    }

    private List<PickleValue> popLast(int count) {
        if (available() < count) {
            throw input.refused("needs " + count + " values, " + available() + " are on the stack");
        }
        return cut(stack.size() - count);
    }

    private List<PickleValue> popToMark() {
        if (marks.isEmpty()) {
            throw input.refused("has no MARK");
        }
        return cut(marks.removeLast());
    }

    private List<PickleValue> cut(int from) {
        List<PickleValue> top = stack.subList(from, stack.size());
        List<PickleValue> taken = List.copyOf(top);
        top.clear();
        return taken;
    }

    private Tuple tuple(List<PickleValue> items) {
        Tuple tuple = new Tuple(items);
        checkDepth(tuple);
        return tuple;
    }

    private void append(List<PickleValue> values) {
        if (!(peek() instanceof Items list)) {
            throw input.refused("adds to " + PickleValue.kind(peek()) + ", expected a list");
        }
        count(values.size());
        list.items.addAll(values);
        noteInside(list, values);
    }

    private void addMembers(List<PickleValue> values) {
        if (!(peek() instanceof Members set)) {
            throw input.refused("adds to " + PickleValue.kind(peek()) + ", expected a set");
        }
        noteInside(set, values);
    }

    private void setItems(List<PickleValue> pairs) {
        if (!(peek() instanceof Dict dict)) {
            throw input.refused("sets an item of " + PickleValue.kind(peek()) + ", expected a dict");
        }
        if (pairs.size() % 2 != 0) {
            throw input.refused("has a key without a value");
        }
        count(pairs.size() / 2);
        for (int i = 0; i < pairs.size(); i += 2) {
            put(dict, pairs.get(i), pairs.get(i + 1), input::refused);
        }
        noteInside(dict, pairs);
    }

    /** Keys come once; what Python could not hash, or could hash only by walking it, is no key. */
    static void put(Dict dict, PickleValue key, PickleValue value, Refusals refusals) {
        Object hashable = switch (key) {
            case Text text -> text.value();
            case Int number -> number.value();
            case Truth truth -> truth.value();
            case Nothing nothing -> nothing;
            case Bytes bytes -> bytes;
            default -> throw refusals.refused("has " + PickleValue.kind(key) + " as a dict's key");
        };
        if (dict.entries.putIfAbsent(hashable, value) != null) {
            String name = key instanceof Text text ? Quoted.of(text.value()) : PickleValue.kind(key);
            throw refusals.refused("holds the key " + name + " twice");
        }
    }

    private void noteInside(Container container, List<PickleValue> values) {
        values.forEach(container::noteInside);
        checkDepth(container);
    }

    private void checkDepth(Container container) {
        if (container.depth() > MAX_NESTING) {
            throw input.refused("nests values deeper than " + MAX_NESTING);
        }
    }

    private void count(int more) {
        entries += more;
        if (entries > MAX_ENTRIES) {
            throw input.refused("brings the entries of lists and dicts to more than " + MAX_ENTRIES);
        }
    }

    private PickleValue recall(long index) {
        @Nullable PickleValue value = memo.get((int) index);
        if (value == null || index > Integer.MAX_VALUE) {
            throw input.refused("asks for memo " + index + ", which nothing was put in");
        }
        return value;
    }

    private void memorize(long index) {
        if (index > Integer.MAX_VALUE || memo.size() == MAX_MEMO) {
            throw input.refused(
                    "would put memo " + index + "; Quern keeps " + MAX_MEMO + " of them, below " + Integer.MAX_VALUE);
        }
        memo.put((int) index, peek());
    }

    private void stackGlobal() {
        List<PickleValue> names = popLast(2);
        if (names.get(0) instanceof Text module && names.get(1) instanceof Text attribute) {
            push(global(module.value(), attribute.value()));
        } else {
            throw input.refused("names " + PickleValue.kind(names.get(0)) + " and " + PickleValue.kind(names.get(1))
                    + ", expected two texts");
        }
    }

    private PickleValue global(String module, String attribute) {
        return Globals.find(module, attribute).orElseThrow(() -> {
            Globals.Refusal refusal = Globals.refusal(module, attribute);
            return input.refused(Quoted.of(module + "." + attribute) + " " + refusal.reason())
                    .withHint(refusal.hint());
        });
    }

    private void reduce() {
        PickleValue arguments = pop();
        PickleValue function = pop();
        if (!(function instanceof PickleValue.Callable callable)) {
            throw input.refused("calls " + PickleValue.kind(function));
        }
        if (!(arguments instanceof Tuple tuple)) {
            throw input.refused("has " + PickleValue.kind(arguments) + " as arguments, expected a tuple");
        }
        push(calls.call(callable.function(), tuple));
    }

    /** Attributes of an OrderedDict (torch's {@code _metadata}) say nothing about weights and are dropped. */
    private void build() {
        PickleValue state = pop();
        if (!(peek() instanceof Dict dict && dict.ordered)) {
            throw input.refused("sets the state of " + PickleValue.kind(peek()) + ", expected an OrderedDict");
        }
        if (!(state instanceof Dict)) {
            throw input.refused("sets a state that is " + PickleValue.kind(state) + ", expected a dict");
        }
    }

    /** Makes the refusal of what is being read, which knows the file and the byte. */
    @FunctionalInterface
    interface Refusals {
        InputException refused(String problem);
    }
}
