package dev.quern.checkpoint.torch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every way a pickle can be wrong, each with its message, in a zip that is right: one storage of four floats. */
class PickleTest {
    private static final String REBUILD = "data.pkl: REDUCE calls torch._utils._rebuild_tensor_v2: ";
    private static final long[] TWO_BY_TWO = {2, 2};
    private static final long[] ROWS = {2, 1};

    @TempDir
    Path directory;

    private void refused(PickleWriter pickle, String message) {
        Path path = Hostile.write(
                directory,
                "model.pt",
                ZipWriter.torch(pickle.bytes(), 1, 2, 3, 4).bytes());
        try (MappedFile file = MappedFile.open(path)) {
            Hostile.assertRefused(path, message, () -> TorchFile.read(file));
        }
    }

    private Map<String, TensorSource> read(PickleWriter pickle) {
        Path path = Hostile.write(
                directory,
                "model.pt",
                ZipWriter.torch(pickle.bytes(), 1, 2, 3, 4).bytes());
        try (MappedFile file = MappedFile.open(path)) {
            Map<String, TensorSource> tensors =
                    Hostile.read(() -> TorchFile.read(file)).tensors();
            tensors.values().forEach(source -> source.readRows(0, 1, new float[4], 0));
            return tensors;
        }
    }

    private static PickleWriter start() {
        return PickleWriter.protocol2();
    }

    private static PickleWriter tensor(long elements, long offset, long[] sizes, long[] strides) {
        return start().dict("w").tensor("0", elements, offset, sizes, strides).end();
    }

    private static PickleWriter good() {
        return tensor(4, 0, TWO_BY_TWO, ROWS);
    }

    @Test
    void theRightOneIsRead() {
        assertThat(read(good())).containsOnlyKeys("w");
    }

    // Views into storages

    @Test
    void viewBeyondItsStorage() {
        refused(
                tensor(4, 0, new long[] {2, 2}, new long[] {4, 1}),
                "tensor \"w\": reaches element 5 of a storage that holds 4");
    }

    @Test
    void offsetBeyondTheStorage() {
        refused(tensor(4, 1, TWO_BY_TWO, ROWS), "tensor \"w\": reaches element 4 of a storage that holds 4");
        refused(
                tensor(4, 5, new long[] {1}, new long[] {1}),
                "tensor \"w\": begins at element 5 of a storage that holds 4");
    }

    @Test
    void negativeOffset() {
        refused(tensor(4, -1, TWO_BY_TWO, ROWS), "tensor \"w\": begins at element -1 of a storage that holds 4");
    }

    @Test
    void negativeStride() {
        refused(
                tensor(4, 3, new long[] {2}, new long[] {-1}),
                "tensor \"w\": has a negative size or stride: sizes [2], strides [-1]");
    }

    @Test
    void negativeSize() {
        refused(
                tensor(4, 0, new long[] {-2}, new long[] {1}),
                "tensor \"w\": has a negative size or stride: sizes [-2], strides [1]");
    }

    @Test
    void sizesThatOverflow() {
        refused(
                tensor(4, 0, new long[] {1L << 32, 1L << 32}, new long[] {0, 0}),
                "tensor \"w\": reaches beyond 2^63-1 elements: sizes [4294967296, 4294967296], strides [0, 0]");
        refused(
                tensor(4, 0, new long[] {3}, new long[] {Long.MAX_VALUE}),
                "tensor \"w\": reaches beyond 2^63-1 elements: sizes [3], strides [9223372036854775807]");
    }

    @Test
    void expansionToTwoToTheForty() {
        refused(
                tensor(4, 0, new long[] {1L << 20, 1L << 20}, new long[] {0, 0}),
                "tensor \"w\": shows 1099511627776 elements of a storage that holds 4");
    }

    @Test
    void ranksThatDiffer() {
        refused(tensor(4, 0, TWO_BY_TWO, new long[] {1}), "tensor \"w\": has 2 sizes and 1 strides");
    }

    @Test
    void emptyTensorBeyondTheStorage() {
        refused(
                tensor(4, 5, new long[] {0}, new long[] {1}),
                "tensor \"w\": begins at element 5 of a storage that holds 4");
    }

    @Test
    void thousandDimensions() {
        long[] ones = new long[1000];
        Arrays.fill(ones, 1);
        refused(tensor(4, 0, ones, ones), REBUILD + "size: has 1000 dimensions, more than 8");
    }

    @Test
    void overlappingStridesAreAView() {
        // Torch makes such views itself (unfold); they stay within the storage and are no larger than it allows.
        assertThat(read(tensor(4, 0, TWO_BY_TWO, new long[] {1, 1}))).containsOnlyKeys("w");
    }

    // Storages

    @Test
    void elementCountBeyondAnything() {
        refused(
                tensor(1L << 62, 0, TWO_BY_TWO, ROWS),
                "data.pkl: BINPERSID has a storage whose element count is the integer 4611686018427387904");
        refused(
                tensor(-1, 0, TWO_BY_TWO, ROWS),
                "data.pkl: BINPERSID has a storage whose element count is the integer -1");
    }

    @Test
    void elementCountThatIsNotTheRecords() {
        refused(
                tensor(3, 0, new long[] {1}, new long[] {1}),
                "zip member \"archive/data/0\": expected 12 bytes (3 elements of float32), found 16");
        refused(
                tensor(5, 0, TWO_BY_TWO, ROWS),
                "zip member \"archive/data/0\": expected 20 bytes (5 elements of float32), found 16");
    }

    @Test
    void oneKeyWithTwoTypes() {
        PickleWriter pickle = start().dict("a")
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .text("b")
                .global("torch._utils", "_rebuild_tensor_v2")
                .op('(')
                .storage("IntStorage", "0", 4)
                .integer(0)
                .integers(4)
                .integers(1)
                .rest()
                .end();
        refused(pickle, "data.pkl: BINPERSID names storage 0 again with another type or element count");
    }

    @Test
    void oneKeyWithTwoElementCounts() {
        PickleWriter pickle = start().dict("a")
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .text("b")
                .tensor("0", 2, 0, new long[] {2}, new long[] {1})
                .end();
        refused(pickle, "data.pkl: BINPERSID names storage 0 again with another type or element count");
    }

    @Test
    void storageThatIsNotThere() {
        refused(start().dict("w").tensor("7", 4, 0, TWO_BY_TWO, ROWS).end(), "storage 7: the zip has no data/7");
    }

    @Test
    void persistentIdThatIsNoTuple() {
        refused(
                start().dict("w").text("0").op('Q').end(),
                "data.pkl: BINPERSID has a persistent id that is a text, expected a tuple");
    }

    @Test
    void persistentIdOfAModule() {
        refused(
                start().dict("w")
                        .op('(')
                        .text("module")
                        .text("a")
                        .text("b")
                        .text("c")
                        .op('t', 'Q')
                        .end(),
                "data.pkl: BINPERSID has a persistent id that is no storage");
        refused(start().dict("w").op(')', 'Q').end(), "data.pkl: BINPERSID has a persistent id that is no storage");
    }

    @Test
    void persistentIdOfAnotherLength() {
        refused(
                start().dict("w")
                        .op('(')
                        .text("storage")
                        .global("torch", "FloatStorage")
                        .text("0")
                        .op('t', 'Q')
                        .end(),
                "data.pkl: BINPERSID has a persistent id of 3 parts, expected 5");
    }

    @ParameterizedTest
    @CsvSource({"''", "a", "../x", "-1", "0/1", "123456789012345678901"})
    void storageKeyThatIsNoNumber(String key) {
        refused(
                start().dict("w").tensor(key, 4, 0, TWO_BY_TWO, ROWS).end(),
                "data.pkl: BINPERSID has a storage key that is no decimal number");
    }

    @Test
    void storageOfNoClass() {
        refused(
                start().dict("w")
                        .op('(')
                        .text("storage")
                        .text("FloatStorage")
                        .text("0")
                        .text("cpu")
                        .integer(4)
                        .op('t', 'Q')
                        .end(),
                "data.pkl: BINPERSID has a storage of a text, expected a storage class");
    }

    @Test
    void elementCountThatIsNoInteger() {
        PickleWriter real = start().dict("w")
                .op('(')
                .text("storage")
                .global("torch", "FloatStorage")
                .text("0")
                .text("cpu")
                .op('G', 0x40, 0x10, 0, 0, 0, 0, 0, 0)
                .op('t', 'Q')
                .end();
        refused(real, "data.pkl: BINPERSID has a storage whose element count is the number 4.0");
        PickleWriter truth = start().dict("w")
                .op('(')
                .text("storage")
                .global("torch", "FloatStorage")
                .text("0")
                .text("cpu")
                .op(0x88, 't', 'Q')
                .end();
        refused(truth, "data.pkl: BINPERSID has a storage whose element count is True");
    }

    @ParameterizedTest
    @CsvSource({"cuda:0", "/etc/passwd", "mps"})
    void locationIsNotUsed(String location) {
        PickleWriter pickle = start().dict("w")
                .global("torch._utils", "_rebuild_tensor_v2")
                .op('(')
                .op('(')
                .text("storage")
                .global("torch", "FloatStorage")
                .text("0")
                .text(location)
                .integer(4)
                .op('t', 'Q')
                .integer(0)
                .integers(2, 2)
                .integers(2, 1)
                .rest()
                .end();
        assertThat(read(pickle)).containsOnlyKeys("w");
    }

    @Test
    void storageClassOfCudaIsTheSame() {
        PickleWriter pickle = start().dict("w")
                .global("torch._utils", "_rebuild_tensor")
                .op('(')
                .op('(')
                .text("storage")
                .global("torch.cuda", "FloatStorage")
                .text("0")
                .text("cuda:0")
                .integer(4)
                .op('t', 'Q')
                .integer(0)
                .integers(4)
                .integers(1)
                .op('t', 'R')
                .end();
        assertThat(read(pickle)).containsOnlyKeys("w");
    }

    // Calls

    @Test
    void settingAnItemOfATensor() {
        // CVE-2026-24747 wrote through such an opcode.
        refused(
                start().tensor("0", 4, 0, TWO_BY_TWO, ROWS).text("a").text("b").op('s', '.'),
                "data.pkl: SETITEM sets an item of a tensor, expected a dict");
    }

    @Test
    void appendingToADict() {
        refused(start().orderedDict().text("a").op('a', '.'), "data.pkl: APPEND adds to a dict, expected a list");
    }

    @ParameterizedTest
    @CsvSource({
        "os, system",
        "posix, system",
        "subprocess, Popen",
        "__builtin__, eval",
        "builtins, exec",
        "__builtin__, getattr",
        "builtins, __import__",
        "operator, attrgetter",
        "_operator, methodcaller",
        "runpy, _run_code",
        "pickle, loads",
        "functools, partial",
        "importlib, import_module",
        "copy_reg, _reconstructor",
        "_codecs, decode",
        "os.path, join"
    })
    void namesThatRunThings(String module, String name) {
        refused(
                start().global(module, name).text("true").op(0x85, 'R', '.'),
                "data.pkl: GLOBAL \"" + module + "." + name + "\" asks for a function that no checkpoint needs; "
                        + "Quern runs nothing, but torch.load may");
    }

    @ParameterizedTest
    @CsvSource({
        "torch, load, holds an object that is not a tensor: a whole module or a foreign class",
        "torch.hub, load, holds an object that is not a tensor: a whole module or a foreign class",
        "__main__, Model, holds an object that is not a tensor: a whole module or a foreign class",
        "torch, NoSuchStorage, holds an object that is not a tensor: a whole module or a foreign class",
        "torch._utils._rebuild_tensor_v2, __globals__, holds an object that is not a tensor: a whole module or a"
                + " foreign class",
        "torch.storage, _load_from_bytes, holds a torch file inside the torch file",
        "torch._utils, _rebuild_sparse_tensor, holds a sparse tensor",
        "torch._utils, _rebuild_wrapper_subclass, holds a tensor subclass",
        "torch.distributed._tensor, DTensor, holds an object of torch.distributed",
        "numpy.core.multiarray, scalar, holds a numpy value"
    })
    void namesOfForeignObjects(String module, String name, String reason) {
        refused(start().global(module, name).op('.'), "data.pkl: GLOBAL \"" + module + "." + name + "\" " + reason);
    }

    @Test
    void dottedNamesAreOneName() {
        refused(
                start().global("torch", "_utils._rebuild_tensor_v2").op('.'),
                "data.pkl: GLOBAL \"torch._utils._rebuild_tensor_v2\" holds an object that is not a tensor: "
                        + "a whole module or a foreign class");
    }

    @Test
    void controlCharactersInNamesAreEscaped() {
        refused(
                start().global("\u001b[2Jos", "x").op('.'),
                "data.pkl: GLOBAL \"\\u{1b}[2Jos.x\" holds an object that is not a tensor: "
                        + "a whole module or a foreign class");
    }

    @Test
    void stackGlobal() {
        refused(
                PickleWriter.protocol2().text("os").op('q', 0).text("system").op(0x93, '.'),
                "data.pkl: STACK_GLOBAL \"os.system\" asks for a function that no checkpoint needs; "
                        + "Quern runs nothing, but torch.load may");
        refused(start().text("os").op('q', 0).op('0'), "data.pkl: POP is an opcode that torch.save never writes");
        refused(
                start().text("os").op('q', 0, 'h', 0).integer(1).op(0x93, '.'),
                "data.pkl: STACK_GLOBAL names a text and the integer 1, expected two texts");
    }

    @Test
    void callsOfWhatIsNoFunction() {
        refused(start().text("a").op(')', 'R', '.'), "data.pkl: REDUCE calls a text");
        refused(start().global("torch", "Tensor").op(')', 'R', '.'), "data.pkl: REDUCE calls torch.Tensor");
        refused(
                start().global("collections", "OrderedDict").op(']', 'R', '.'),
                "data.pkl: REDUCE has a list as arguments, expected a tuple");
    }

    @Test
    void callsWithOtherArguments() {
        refused(
                start().dict("w")
                        .global("torch._utils", "_rebuild_tensor_v2")
                        .op(')', 'R')
                        .end(),
                REBUILD + "expected 6 to 7 arguments, found 0");
        refused(
                start().dict("w")
                        .global("torch._utils", "_rebuild_tensor_v2")
                        .integers(1, 2, 3, 4, 5, 6)
                        .op('R')
                        .end(),
                REBUILD + "expected a storage, found the integer 1");
        refused(
                start().dict("w")
                        .global("torch._utils", "_rebuild_tensor_v2")
                        .op('(')
                        .storage("FloatStorage", "0", 4)
                        .op(0x88)
                        .integers(4)
                        .integers(1)
                        .rest()
                        .end(),
                REBUILD + "offset: expected an integer, found True");
        refused(
                start().dict("w")
                        .global("torch._utils", "_rebuild_tensor_v2")
                        .op('(')
                        .storage("FloatStorage", "0", 4)
                        .integer(0)
                        .op(']')
                        .integers(1)
                        .rest()
                        .end(),
                REBUILD + "size: expected a tuple, found a list");
        refused(
                start().dict("w")
                        .global("torch._utils", "_rebuild_tensor_v2")
                        .op('(')
                        .storage("FloatStorage", "0", 4)
                        .integer(0)
                        .integers(4)
                        .integers(1)
                        .op('N', 'N', 't', 'R')
                        .end(),
                REBUILD + "requires_grad: expected True or False, found None");
    }

    @Test
    void newerTypesNeedAnUntypedStorage() {
        refused(
                start().dict("w")
                        .global("torch._utils", "_rebuild_tensor_v3")
                        .op('(')
                        .storage("FloatStorage", "0", 4)
                        .integer(0)
                        .integers(4)
                        .integers(1)
                        .op(0x89)
                        .orderedDict()
                        .global("torch", "uint16")
                        .op('t', 'R')
                        .end(),
                "data.pkl: REDUCE calls torch._utils._rebuild_tensor_v3: expected an untyped storage, "
                        + "found one of float32");
    }

    @Test
    void newObjects() {
        refused(
                start().global("torch", "Tensor").op(')', 0x81, '.'),
                "data.pkl: NEWOBJ builds an object of a class: this is a whole object, not its weights");
    }

    @Test
    void stateOfATensor() {
        refused(
                start().tensor("0", 4, 0, TWO_BY_TWO, ROWS).op('}', 'b', '.'),
                "data.pkl: BUILD sets the state of a tensor, expected an OrderedDict");
        refused(start().orderedDict().op('N', 'b', '.'), "data.pkl: BUILD sets a state that is None, expected a dict");
    }

    @Test
    void attributesOfAnOrderedDictAreDropped() {
        PickleWriter pickle = start().orderedDict()
                .op('(')
                .text("w")
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .op('u', '}', '(')
                .text("__class__")
                .text("x")
                .op('u', 'b', '.');
        assertThat(read(pickle)).containsOnlyKeys("w");
    }

    @Test
    void codecsOtherThanLatin1() {
        refused(
                start().global("_codecs", "encode").text("x").text("zlib").op(0x86, 'R', '.'),
                "data.pkl: REDUCE calls _codecs.encode: expected a text and 'latin1'");
    }

    @Test
    void bytesOutOfNothing() {
        refused(
                start().global("__builtin__", "bytearray")
                        .integer(Integer.MAX_VALUE)
                        .op(0x85, 'R', '.'),
                "data.pkl: REDUCE calls builtins.bytearray: expected bytes or a text with its encoding");
    }

    @Test
    void tensorSubclass() {
        refused(
                start().global("torch._tensor", "_rebuild_from_type_v2")
                        .global("torch._utils", "_rebuild_tensor_v2")
                        .global("torch", "Size")
                        .op(')', '}', '(')
                        .op('1'),
                "data.pkl: POP_MARK is an opcode that torch.save never writes");
        refused(
                start().global("torch._tensor", "_rebuild_from_type_v2")
                        .op('(')
                        .global("torch._utils", "_rebuild_tensor_v2")
                        .global("torch", "Size")
                        .op(')', '}', 't', 'R', '.'),
                "data.pkl: REDUCE calls torch._tensor._rebuild_from_type_v2: cannot make torch.Size of a tensor");
    }

    // Opcodes and the stack

    @ParameterizedTest
    @CsvSource({
        "105, INST", "111, OBJ", "130, EXT1", "131, EXT2", "132, EXT4", "80, PERSID", "103, GET", "112, PUT",
        "73, INT", "76, LONG", "70, FLOAT", "83, STRING", "86, UNICODE", "48, POP", "49, POP_MARK", "50, DUP",
        "100, DICT", "108, LIST", "151, NEXT_BUFFER", "152, READONLY_BUFFER", "146, NEWOBJ_EX"
    })
    void opcodesThatTorchNeverWrites(int code, String name) {
        refused(start().op('}', code), "data.pkl: " + name + " is an opcode that torch.save never writes");
    }

    @Test
    void unknownOpcode() {
        refused(start().op(0xff), "data.pkl: byte 0xff is no pickle opcode");
    }

    @Test
    void memoThatIsNotThere() {
        refused(start().op('h', 3, '.'), "data.pkl: BINGET asks for memo 3, which nothing was put in");
        refused(
                start().op('j').u32(0xffff_ffffL).op('.'),
                "data.pkl: LONG_BINGET asks for memo 4294967295, which nothing was put in");
    }

    @Test
    void memoIndexBeyondReason() {
        refused(
                start().op('}', 'r').u32(0xffff_ffffL).op('.'),
                "data.pkl: LONG_BINPUT would put memo 4294967295; Quern keeps 4000000 of them, below 2147483647");
    }

    @Test
    void stackUnderflow() {
        refused(start().op('R', '.'), "data.pkl: REDUCE finds no value on the stack");
        refused(start().op(0x85, '.'), "data.pkl: TUPLE1 needs 1 values, 0 are on the stack");
        refused(start().op('}', '(', 'R', '.'), "data.pkl: REDUCE finds no value on the stack");
        refused(start().op('t', '.'), "data.pkl: TUPLE has no MARK");
        refused(start().op('.'), "data.pkl: STOP finds no value on the stack");
    }

    @Test
    void markLeftOpen() {
        refused(start().op('}', '(', '.'), "data.pkl: STOP comes while a MARK is open");
    }

    @Test
    void valuesLeftOnTheStack() {
        refused(start().op('}', '}', '.'), "data.pkl: STOP leaves 1 values on the stack");
    }

    @Test
    void noStop() {
        refused(start().op('}'), "data.pkl: end ends without STOP");
    }

    @Test
    void bytesAfterStop() {
        refused(good().op('}', '.'), "zip member \"archive/data.pkl\": goes on for 2 bytes after STOP");
    }

    @Test
    void protocols() {
        refused(
                new PickleWriter().op('}', '.'),
                "data.pkl: EMPTY_DICT stands where PROTO belongs: pickle protocols 0 and 1 are not read");
        refused(new PickleWriter().op(0x80, 99, '}', '.'), "data.pkl: PROTO names protocol 99, expected 2 to 5");
        refused(new PickleWriter().op(0x80, 1, '}', '.'), "data.pkl: PROTO names protocol 1, expected 2 to 5");
        refused(start().op(0x80, 2, '}', '.'), "data.pkl: PROTO comes a second time");
    }

    @Test
    void keyWithoutValue() {
        refused(start().op('}', '(').text("a").op('u', '.'), "data.pkl: SETITEMS has a key without a value");
    }

    @Test
    void keyTwice() {
        refused(
                start().op('}', '(').text("a").op('N').text("a").op('N', 'u', '.'),
                "data.pkl: SETITEMS holds the key \"a\" twice");
        refused(
                start().global("collections", "OrderedDict")
                        .op(']', '(', ']', '(')
                        .text("a")
                        .op('N', 'e', ']', '(')
                        .text("a")
                        .op('N', 'e', 'e', 0x85, 'R', '.'),
                "data.pkl: REDUCE holds the key \"a\" twice");
    }

    @Test
    void keyThatCannotBeHashed() {
        refused(start().op('}', ']', 'N', 's', '.'), "data.pkl: SETITEM has a list as a dict's key");
    }

    @Test
    void tuplesThatDoubleAsAKey() {
        // As a tree this has 2^60 leaves, and Python hashes it leaf by leaf.
        PickleWriter pickle = start().op('}', ')', 'q', 0);
        for (int i = 0; i < 60; i++) {
            pickle.op('h', 0, 0x86, 'q', 0);
        }
        refused(pickle.op('N', 's', '.'), "data.pkl: SETITEM has a tuple of 2 as a dict's key");
    }

    @Test
    void listsThatDouble() {
        PickleWriter pickle = start().dict("x").op(']', 'q', 0);
        for (int i = 0; i < 60; i++) {
            pickle.op(']', '(', 'h', 0, 'h', 0, 'e', 'q', 0, 'a');
        }
        pickle.text("w").tensor("0", 4, 0, TWO_BY_TWO, ROWS).end();
        assertThat(Hostile.bounded(() -> read(pickle))).isNull();
    }

    @Test
    void containersThatHoldThemselves() {
        PickleWriter list = start().dict("x").op(']', 'q', 0, 'h', 0, 'a');
        assertThat(read(list.text("w").tensor("0", 4, 0, TWO_BY_TWO, ROWS).end()))
                .containsOnlyKeys("w");
        refused(
                start().op('}', 'q', 0).text("state_dict").op('h', 0, 's', '.'),
                "holds no tensors; its keys are [\"state_dict\"]");
    }

    @Test
    void nestedTuples() {
        PickleWriter pickle = start().op(')');
        for (int i = 0; i < 100_000; i++) {
            pickle.op(0x85);
        }
        refused(pickle.op('.'), "data.pkl: TUPLE1 nests values deeper than 200");
    }

    @Test
    void manyMarks() {
        PickleWriter pickle = start();
        for (int i = 0; i < 200_000; i++) {
            pickle.op('(');
        }
        refused(pickle.op('.'), "data.pkl: MARK nests deeper than 1000");
    }

    @Test
    void manyPushes() {
        PickleWriter pickle = start();
        for (int i = 0; i <= 1_000_000; i++) {
            pickle.op('N');
        }
        refused(pickle.op('.'), "data.pkl: NONE would put more than 1000000 values on the stack");
    }

    // Lengths and texts

    @Test
    void textLongerThanTheFile() {
        refused(
                start().op('X').u32(0xffff_ffffL),
                "data.pkl: BINUNICODE has the length 4294967295, more than the 67108864 bytes Quern reads");
        refused(start().op('X').u32(60_000_000).op('a'), "data.pkl: BINUNICODE needs 60000000 more bytes, 1 are left");
        refused(start().op(0x8d).u64(Long.MIN_VALUE), "data.pkl: BINUNICODE8 has the length 9223372036854775808");
        refused(
                start().op(0x96).u64(Long.MAX_VALUE),
                "data.pkl: BYTEARRAY8 has the length 9223372036854775807, more than the 67108864 bytes Quern reads");
    }

    @Test
    void longIntegers() {
        refused(
                start().op(0x8a, 255).raw(new byte[255]),
                "data.pkl: LONG1 is an integer of 255 bytes, more than the 16 Quern reads");
        refused(start().op(0x8b).u32(-1), "data.pkl: LONG4 is an integer of -1 bytes, more than the 16 Quern reads");
        refused(
                start().op(0x8b).u32(Integer.MAX_VALUE),
                "data.pkl: LONG4 is an integer of 2147483647 bytes, more than the 16 Quern reads");
    }

    @Test
    void textThatIsNoText() {
        refused(start().op('X').u32(2).op(0xc3, 0x28), "data.pkl: BINUNICODE holds text that is not valid UTF-8");
        // Half a surrogate pair, as Python's surrogatepass writes it.
        refused(start().op('X').u32(3).op(0xed, 0xa0, 0x80), "data.pkl: BINUNICODE holds text that is not valid UTF-8");
    }

    @Test
    void namesWithoutEnd() {
        refused(
                start().op('c').raw("a".repeat(600).getBytes(StandardCharsets.US_ASCII)),
                "data.pkl: GLOBAL names something with no end of line within 512 bytes");
    }

    @Test
    void frames() {
        PickleWriter four = new PickleWriter().op(0x80, 4);
        refused(four.op(0x95).u64(1000).op('}', '.'), "data.pkl: FRAME is 1000 bytes long, 2 are left");
        refused(
                new PickleWriter().op(0x80, 4, 0x95).u64(3).text("a").op('.'),
                "data.pkl: BINUNICODE lies across the end of its frame");
        refused(
                new PickleWriter()
                        .op(0x80, 4, 0x95)
                        .u64(11)
                        .op('}', 0x95)
                        .u64(1)
                        .op('.'),
                "data.pkl: FRAME lies inside another frame");
    }

    /** A real pickle with every kind of value, cut at every byte and damaged at random: refusals, and nothing else. */
    @Test
    void damagedAnywhere() {
        Path path = Path.of("test-data/torch/training-state.pt");
        try (MappedFile file = MappedFile.open(path)) {
            byte[] whole = ZipMembers.read(file).getFirst().contents(0).toArray(ValueLayout.JAVA_BYTE);
            for (int length = 0; length < whole.length; length++) {
                byte[] cut = Arrays.copyOf(whole, length);
                assertThat(Hostile.bounded(() -> unpickle(cut))).isInstanceOf(InputException.class);
            }
            Random random = new Random(42);
            for (int round = 0; round < 20_000; round++) {
                byte[] damaged = whole.clone();
                for (int i = 0; i <= round % 3; i++) {
                    damaged[random.nextInt(whole.length)] = (byte) random.nextInt(256);
                }
                Throwable thrown = Hostile.bounded(() -> unpickle(damaged));
                if (thrown != null) {
                    assertThat(thrown).as("round %s", round).isInstanceOf(InputException.class);
                }
            }
        }
    }

    private static PickleValue unpickle(byte[] pickle) {
        return new Unpickler(Path.of("x"), "data.pkl", MemorySegment.ofArray(pickle), 0, new StorageTable(false))
                .read();
    }

    // What the file holds

    @Test
    void tensorWithoutAName() {
        refused(
                start().op('}').integer(1).tensor("0", 4, 0, TWO_BY_TWO, ROWS).op('s', '.'),
                "a tensor has a key that is no text");
    }

    @Test
    void twoStateDicts() {
        PickleWriter pickle = start().dict("model")
                .op('}', '(')
                .text("w")
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .op('u')
                .text("module")
                .op('}', '(')
                .text("w")
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .op('u')
                .end();
        refused(pickle, "holds tensors under model and module: which is meant?");
    }

    @Test
    void pythonTwosTexts() {
        // Python 2.7 writes names as byte strings and gives an OrderedDict its items as the call's argument.
        PickleWriter pickle = start().global("collections", "OrderedDict")
                .op(']', ']', '(', 'U', 1, 'w')
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .op('e', 'a', 0x85, 'R', '.');
        assertThat(read(pickle)).containsOnlyKeys("w");
        PickleWriter longer = start().op('}', 'T')
                .u32(1)
                .op('v')
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .op('s', '.');
        assertThat(read(longer)).containsOnlyKeys("v");
    }

    @Test
    void defaultDictIsADict() {
        PickleWriter pickle = start().global("collections", "defaultdict")
                .global("__builtin__", "list")
                .op(0x85, 'R', '(')
                .text("w")
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .op('u', '.');
        assertThat(read(pickle)).containsOnlyKeys("w");
    }

    @Test
    void frozenSetsAreInertAndSlicesAreRefused() {
        PickleWriter frozen = start().dict("seen")
                .global("__builtin__", "frozenset")
                .op(']', 0x85, 'R')
                .text("w")
                .tensor("0", 4, 0, TWO_BY_TWO, ROWS)
                .end();
        assertThat(read(frozen)).containsOnlyKeys("w");
        for (String name : new String[] {"slice", "xrange"}) {
            refused(
                    start().dict("x").global("__builtin__", name).op('.'),
                    "data.pkl: GLOBAL \"__builtin__." + name + "\" asks for a function that no checkpoint needs; "
                            + "Quern runs nothing, but torch.load may");
        }
    }
}
