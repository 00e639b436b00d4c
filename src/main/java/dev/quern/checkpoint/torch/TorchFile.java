package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.PickleValue.Storage;
import dev.quern.checkpoint.torch.PickleValue.Tensor;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.Strided;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** A checkpoint file of torch.save: its tensors as views into the mapped file, in the order they were saved. */
public final class TorchFile {
    /** A view may show a storage this many times over (a broadcast bias), or be this small; more is a bomb. */
    private static final int MAX_EXPANSION = 16;

    private static final long SMALL_VIEW = 16 << 20;

    private final MappedFile file;
    private final SequencedMap<String, TensorSource> tensors = new LinkedHashMap<>();
    private final SequencedMap<String, String> unreadable = new LinkedHashMap<>();
    private final TorchArchive archive;

    private TorchFile(MappedFile file, TorchArchive archive) {
        this.file = file;
        this.archive = archive;
    }

    /** Reads the pickle and checks every tensor against its storage; no weight is touched. */
    public static TorchFile read(MappedFile file) {
        TorchContainer container = TorchContainer.of(file);
        TorchArchive archive = switch (container) {
            case ZIP -> TorchZip.read(file);
            case LEGACY -> TorchLegacy.read(file);
            default -> throw container.refused(file);
        };
        TorchFile result = new TorchFile(file, archive);
        StateDict.tensors(file.path(), archive.root()).forEach(result::add);
        return result;
    }

    /** Tensors by name, in the order they were saved. */
    public SequencedMap<String, TensorSource> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    /** Tensors of types that no float can stand for: name to torch's name of the type. */
    public SequencedMap<String, String> unreadable() {
        return Collections.unmodifiableSequencedMap(unreadable);
    }

    /** What is odd about the file but no reason to refuse it, one line each. */
    public List<String> notes() {
        return archive.notes();
    }

    /** Whether there is something for {@link #verifyChecksums} to check. */
    public boolean hasChecksums() {
        return archive.hasChecksums();
    }

    /** Reads every storage and holds it against its CRC-32; those without one pass. */
    public void verifyChecksums() {
        archive.verifyStorages();
    }

    private void add(String name, Tensor tensor) {
        checkView(name, tensor);
        tensor.type
                .dtype()
                .ifPresentOrElse(
                        dtype -> tensors.put(name, source(name, dtype, tensor)),
                        () -> unreadable.put(name, tensor.type.toString()));
    }

    private TensorSource source(String name, DType dtype, Tensor tensor) {
        Region storage = archive.storage(tensor.storage);
        Shape shape = Shape.of(tensor.sizes);
        TensorInfo info = new TensorInfo(name, dtype, shape);
        if (shape.elements() == 0 || Strided.isContiguous(shape, tensor.strides)) {
            return new Stored(
                    info,
                    storage.slice(tensor.offset * dtype.bytes(), shape.elements() * dtype.bytes()),
                    archive.order());
        }
        return new Strided(info, storage, tensor.offset, tensor.strides, archive.order());
    }

    private void checkView(String name, Tensor tensor) {
        Storage storage = tensor.storage;
        long held = storage.bytes() / tensor.type.bytes();
        if (tensor.sizes.length != tensor.strides.length) {
            throw refused(name, "has " + tensor.sizes.length + " sizes and " + tensor.strides.length + " strides");
        }
        for (int axis = 0; axis < tensor.sizes.length; axis++) {
            if (tensor.sizes[axis] < 0 || tensor.strides[axis] < 0) {
                throw refused(name, "has a negative size or stride: " + text(tensor));
            }
        }
        if (tensor.offset < 0 || tensor.offset > held) {
            throw refused(name, "begins at element " + tensor.offset + " of a storage that holds " + held);
        }
        try {
            long elements = 1;
            long last = tensor.offset;
            boolean empty = false;
            for (int axis = 0; axis < tensor.sizes.length; axis++) {
                empty |= tensor.sizes[axis] == 0;
                elements = Math.multiplyExact(elements, Math.max(1, tensor.sizes[axis]));
                last = Math.addExact(
                        last, Math.multiplyExact(Math.max(0, tensor.sizes[axis] - 1), tensor.strides[axis]));
            }
            if (!empty && last >= held) {
                throw refused(name, "reaches element " + last + " of a storage that holds " + held);
            }
            if (!empty && elements > SMALL_VIEW && elements / MAX_EXPANSION > held) {
                throw refused(name, "shows " + elements + " elements of a storage that holds " + held);
            }
        } catch (ArithmeticException e) {
            throw refused(name, "reaches beyond 2^63-1 elements: " + text(tensor));
        }
    }

    private static String text(Tensor tensor) {
        return "sizes " + Arrays.toString(tensor.sizes) + ", strides " + Arrays.toString(tensor.strides);
    }

    private InputException refused(String tensor, String problem) {
        return InputException.of(file.path(), "tensor " + Quoted.of(tensor), problem);
    }
}
