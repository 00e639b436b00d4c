package synthetic;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The data.pkl of a state dictionary: pickle protocol 2 with a memo, opcode for opcode what Python's pickler writes. */
final class StatePickle {
    /** Python's pickler sets so many items of a dictionary at a time. */
    private static final int BATCH = 1000;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Map<String, Integer> seen = new HashMap<>();
    private int memo;

    private StatePickle() {}

    static byte[] of(List<Tensor.Part> parts, DType dtype) {
        StatePickle pickle = new StatePickle();
        pickle.dictionary(parts, dtype);
        return pickle.out.toByteArray();
    }

    private void dictionary(List<Tensor.Part> parts, DType dtype) {
        out.writeBytes(new byte[] {(byte) 0x80, 2, '}'});
        remember();
        for (int first = 0; first < parts.size(); first += BATCH) {
            int last = Math.min(first + BATCH, parts.size());
            boolean single = last - first == 1;
            if (!single) {
                out.write('(');
            }
            for (int i = first; i < last; i++) {
                string(parts.get(i).storedName());
                tensor(parts.get(i), i, dtype);
            }
            out.write(single ? 's' : 'u');
        }
        out.write('.');
    }

    private void tensor(Tensor.Part part, int storage, DType dtype) {
        global("torch._utils", "_rebuild_tensor_v2");
        out.write('(');
        out.write('(');
        stringOnce("storage");
        global("torch", dtype.torchStorage());
        string(Integer.toString(storage));
        stringOnce("cpu");
        integer(part.elements());
        out.write('t');
        remember();
        out.write('Q');
        integer(0);
        if (part.isVector()) {
            tuple(part.columns());
            tuple(1);
        } else {
            tuple(part.rows(), part.columns());
            tuple(part.columns(), 1);
        }
        out.write(0x89);
        global("collections", "OrderedDict");
        out.write(')');
        out.write('R');
        remember();
        out.write('t');
        remember();
        out.write('R');
        remember();
    }

    private void tuple(int... values) {
        for (int value : values) {
            integer(value);
        }
        out.write(values.length == 1 ? 0x85 : 0x86);
        remember();
    }

    private void integer(long value) {
        if (value < 1 << 8) {
            number('K', value, 1);
        } else if (value < 1 << 16) {
            number('M', value, 2);
        } else if (value <= Integer.MAX_VALUE) {
            number('J', value, 4);
        } else {
            int bytes = (64 - Long.numberOfLeadingZeros(value)) / 8 + 1;
            number(0x8a, bytes, 1);
            number(-1, value, bytes);
        }
    }

    private void string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        number('X', bytes.length, 4);
        out.writeBytes(bytes);
        remember();
    }

    private void stringOnce(String text) {
        if (!recall(text)) {
            string(text);
        }
    }

    private void global(String module, String name) {
        if (!recall(module + "." + name)) {
            out.writeBytes(("c" + module + "\n" + name + "\n").getBytes(StandardCharsets.US_ASCII));
            remember();
        }
    }

    /** Fetches what was made before; otherwise the caller makes it, as the memo's next entry. */
    private boolean recall(String what) {
        Integer at = seen.putIfAbsent(what, memo);
        if (at != null) {
            memoized('h', 'j', at);
        }
        return at != null;
    }

    private void remember() {
        memoized('q', 'r', memo++);
    }

    private void memoized(int shortForm, int longForm, int at) {
        if (at < 1 << 8) {
            number(shortForm, at, 1);
        } else {
            number(longForm, at, 4);
        }
    }

    /** @param opcode -1 for none */
    private void number(int opcode, long value, int bytes) {
        if (opcode >= 0) {
            out.write(opcode);
        }
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> 8 * i));
        }
    }
}
