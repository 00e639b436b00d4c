package dev.quern.checkpoint.torch;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * What a pickle is made of, for people who have to judge it: opcodes and names are counted and none is obeyed, so that a
 * pickle which Quern refuses is listed to its end too.
 *
 * @param part what the pickle is called inside the file
 * @param end where in the bytes it ends
 * @param globals every {@code module.name} it mentions, in order of first mention
 * @param opcodes how often each comes
 * @param broken why it could not be followed to its STOP; empty when it could
 */
public record PickleScan(
        String part,
        long start,
        long end,
        SequencedMap<String, Use> globals,
        SequencedMap<String, Long> opcodes,
        Optional<String> broken) {
    private static final int MAX_NAMES = 10_000;
    private static final int MAX_MEMO = 1_000_000;
    private static final long MAX_OPCODES = 16_000_000;

    /**
     * @param firstAt byte of the first mention
     * @param refusal why it refuses the file; empty for names that Quern knows
     */
    public record Use(long count, long firstAt, Optional<String> refusal) {
        private Use again() {
            return new Use(count + 1, firstAt, refusal);
        }
    }

    public PickleScan {
        globals = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(globals));
        opcodes = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(opcodes));
    }

    /** Bytes of the pickle, as far as it could be followed. */
    public long bytes() {
        return end - start;
    }

    static PickleScan of(Path file, String part, MemorySegment bytes, long start) {
        return new Scanner(file, part, bytes, start).scan();
    }

    private static final class Scanner {
        private final PickleInput input;
        private final String part;
        private final long start;
        private final Map<Opcode, Long> opcodes = new EnumMap<>(Opcode.class);
        private final LinkedHashMap<String, Use> globals = new LinkedHashMap<>();
        private final Map<Long, String> memo = new HashMap<>();
        private long memoized;
        /** The two values pushed last, where they are texts: what STACK_GLOBAL will take. */
        private @Nullable String last;

        private @Nullable String beforeLast;

        Scanner(Path file, String part, MemorySegment bytes, long start) {
            this.input = new PickleInput(file, part, bytes, start);
            this.part = part;
            this.start = start;
        }

        PickleScan scan() {
            Optional<String> broken = Optional.empty();
            try {
                long count = 0;
                while (next() != Opcode.STOP) {
                    if (++count == MAX_OPCODES) {
                        throw input.refused("comes after " + MAX_OPCODES + " opcodes, the most that Quern reads");
                    }
                }
            } catch (InputException e) {
                broken = Optional.of(String.valueOf(e.getMessage()));
            }
            LinkedHashMap<String, Long> counted = new LinkedHashMap<>();
            opcodes.entrySet().stream()
                    .sorted(Map.Entry.<Opcode, Long>comparingByValue().reversed())
                    .forEach(entry -> counted.put(entry.getKey().name(), entry.getValue()));
            return new PickleScan(part, start, input.position(), globals, counted, broken);
        }

        private Opcode next() {
            Opcode opcode = input.anyOpcode();
            opcodes.merge(opcode, 1L, Long::sum);
            switch (opcode) {
                case GLOBAL, INST -> {
                    name(input.line(), input.line());
                    push(null);
                }
                case STACK_GLOBAL -> {
                    name(beforeLast, last);
                    push(null);
                }
                case BINPUT, LONG_BINPUT -> keep(opcode == Opcode.BINPUT ? input.u8() : input.u32());
                case MEMOIZE -> keep(memoized);
                case BINGET, LONG_BINGET -> push(memo.get(opcode == Opcode.BINGET ? (long) input.u8() : input.u32()));
                case PUT, GET -> {
                    String index = input.line();
                    long number = index.matches("[0-9]{1,9}") ? Long.parseLong(index) : -1;
                    if (opcode == Opcode.PUT) {
                        keep(number);
                    } else {
                        push(memo.get(number));
                    }
                }
                case STRING, UNICODE -> push(unquoted(input.line()));
                default -> pass(opcode.argument());
            }
            return opcode;
        }

        private void pass(Opcode.Argument argument) {
            switch (argument) {
                case NONE -> {}
                case ONE -> input.skip(1);
                case TWO -> input.skip(2);
                case FOUR -> input.skip(4);
                case EIGHT -> input.skip(8);
                case LENGTH_1 -> input.skip(input.u8());
                case LENGTH_4 -> input.skip(input.u32());
                case LENGTH_8 -> input.skip(input.u64());
                case TEXT_1 -> text(input.u8());
                case TEXT_4 -> text(input.u32());
                case TEXT_8 -> text(input.u64());
                case LINE -> input.line();
                case TWO_LINES -> throw new IllegalStateException("names are looked at");
            }
            boolean text = argument == Opcode.Argument.TEXT_1
                    || argument == Opcode.Argument.TEXT_4
                    || argument == Opcode.Argument.TEXT_8;
            if (!text) {
                push(null);
            }
        }

        private void text(long length) {
            byte[] raw = length > 1024 ? new byte[0] : input.raw(length);
            if (length > 1024) {
                input.skip(length);
            }
            push(PickleInput.strict(raw).orElse(null));
        }

        private static String unquoted(String line) {
            boolean quoted = line.length() >= 2 && (line.startsWith("'") || line.startsWith("\""));
            return quoted ? line.substring(1, line.length() - 1) : line;
        }

        private void push(@Nullable String text) {
            beforeLast = last;
            last = text;
        }

        private void keep(long index) {
            memoized++;
            String text = last;
            if (text != null && memo.size() < MAX_MEMO) {
                memo.put(index, text);
            }
        }

        private void name(@Nullable String module, @Nullable String attribute) {
            String name =
                    (module == null ? "(computed)" : module) + "." + (attribute == null ? "(computed)" : attribute);
            Use before = globals.get(name);
            if (before != null) {
                globals.put(name, before.again());
            } else if (globals.size() < MAX_NAMES) {
                Optional<String> refusal = module != null
                                && attribute != null
                                && Globals.find(module, attribute).isPresent()
                        ? Optional.empty()
                        : Optional.of(
                                module == null || attribute == null
                                        ? "is put together while the pickle runs"
                                        : Globals.refusal(module, attribute).reason());
                globals.put(name, new Use(1, input.opcodeAt(), refusal));
            }
        }
    }

    /** The name as it can be shown. */
    public static String printable(String name) {
        String quoted = Quoted.of(name);
        return quoted.substring(1, quoted.length() - 1);
    }
}
