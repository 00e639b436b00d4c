package dev.quern.checkpoint.onnx;

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
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;

/**
 * An ONNX model's initializers under the names that the model had in PyTorch. Exporters keep those of most parameters;
 * the matrix of a Linear they may transpose and call {@code onnx::MatMul_123}: there the node that multiplies with it
 * tells, by its name {@code /model/layers.0/self_attn/q_proj/MatMul} or its metadata. Constants of the graph that belong to no module are left out.
 *
 * <p>The message types and field numbers are those of onnx.proto, IR version 3 to 13.
 */
public final class OnnxFile implements AutoCloseable {
    private static final int MAX_INITIALIZERS = 1_000_000;

    /** Operators whose weights are codes with scales of their own. */
    private static final Set<String> QUANTIZED = Set.of(
            "MatMulNBits",
            "MatMulBnb4",
            "DequantizeLinear",
            "MatMulInteger",
            "QLinearMatMul",
            "DynamicQuantizeMatMul",
            "MatMulIntegerToFloat");

    private final MappedFile file;
    private final ExternalData external;
    private final Map<String, Initializer> initializers = new LinkedHashMap<>();
    private final Map<String, Use> uses = new HashMap<>();

    /** Parameters that are equal to an initializer, which the exporter kept in their stead. */
    private final Map<String, String> copies = new LinkedHashMap<>();

    private final SequencedMap<String, TensorSource> tensors = new TreeMap<>();
    private final SequencedMap<String, String> unreadable = new TreeMap<>();
    private final List<String> notes = new ArrayList<>();
    private String producer = "";
    private int nodes;

    /** A tensor as the graph has it. */
    private record Initializer(String name, int type, Shape shape, Optional<Region> data) {}

    /** Which module a matrix belongs to, and whether the node takes it transposed. */
    private record Use(String module, boolean transposed) {}

    private OnnxFile(MappedFile file, Path directory) {
        this.file = file;
        this.external = new ExternalData(file.path(), directory);
    }

    /**
     * Reads the graph; no weight is touched.
     *
     * @param directory where files with external data must lie
     * @throws InputException when it is no ONNX model, damaged or quantized
     */
    public static OnnxFile read(MappedFile file, Path directory) {
        OnnxFile model = new OnnxFile(file, directory);
        try {
            model.readModel();
            model.name();
            return model;
        } catch (RuntimeException | Error e) {
            model.external.close();
            throw e;
        }
    }

    /** By name, in plain string order. */
    public SequencedMap<String, TensorSource> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    public SequencedMap<String, String> unreadable() {
        return Collections.unmodifiableSequencedMap(unreadable);
    }

    public List<String> notes() {
        return List.copyOf(notes);
    }

    /** Files with weights beside the model's own. */
    public List<MappedFile> externalFiles() {
        return external.files();
    }

    /** What the file is, for people: "ONNX of pytorch 2.13.0, 412 nodes, 39 initializers". */
    public String description() {
        return "ONNX" + (producer.isBlank() ? "" : " of " + Quoted.plain(producer.strip())) + ", " + nodes + " nodes, "
                + initializers.size() + " initializers";
    }

    @Override
    public void close() {
        external.close();
    }

    private void readModel() {
        Message model = new Message(file.region(), "the model");
        Optional<Region> graph = Optional.empty();
        String name = "";
        String version = "";
        while (model.next()) {
            switch (model.field()) {
                case 2 -> name = model.text();
                case 3 -> version = model.text();
                case 7 -> {
                    if (graph.isPresent()) {
                        throw InputException.of(file.path(), "holds two graphs");
                    }
                    graph = Optional.of(model.bytes());
                }
                default -> {}
            }
        }
        producer = name + " " + version;
        readGraph(graph.orElseThrow(() -> InputException.of(file.path(), "is no ONNX model: there is no graph in it")));
    }

    private void readGraph(Region region) {
        Message graph = new Message(region, "the graph");
        while (graph.next()) {
            switch (graph.field()) {
                case 1 -> readNode(graph.bytes());
                case 5 -> {
                    Initializer initializer = readTensor(graph.bytes());
                    if (initializers.put(initializer.name(), initializer) != null) {
                        throw refused(initializer.name(), "comes twice");
                    }
                    if (initializers.size() > MAX_INITIALIZERS) {
                        throw InputException.of(file.path(), "holds more than " + MAX_INITIALIZERS + " initializers");
                    }
                }
                default -> {}
            }
        }
        if (initializers.isEmpty()) {
            throw InputException.of(file.path(), "holds no weights");
        }
    }

    private void readNode(Region region) {
        Message node = new Message(region, "a node");
        List<String> inputs = new ArrayList<>();
        String output = "";
        String name = "";
        String operator = "";
        String scope = "";
        boolean transposed = false;
        while (node.next()) {
            switch (node.field()) {
                case 1 -> inputs.add(node.text());
                case 2 -> output = node.text();
                case 3 -> name = node.text();
                case 4 -> operator = node.text();
                case 5 -> transposed |= isTransB(node.bytes());
                case 9 -> scope = scope.isEmpty() ? moduleOf(node.bytes()) : scope;
                default -> {}
            }
        }
        nodes++;
        if (QUANTIZED.contains(operator)) {
            throw InputException.of(file.path(), "node " + Quoted.of(name), "the model is quantized (" + operator + ")")
                    .withHint("export it in float, or give the checkpoint that it was exported from");
        }
        if (operator.equals("Identity") && inputs.size() == 1 && isParameter(output)) {
            copies.putIfAbsent(output, inputs.getFirst());
        }
        boolean matmul = operator.equals("MatMul");
        String module = name.startsWith("/") && name.lastIndexOf('/') > 0
                ? name.substring(1, name.lastIndexOf('/')).replace('/', '.')
                : scope;
        if ((matmul || operator.equals("Gemm")) && inputs.size() > 1 && !module.isEmpty()) {
            uses.putIfAbsent(inputs.get(1), new Use(module, matmul || !transposed));
        }
    }

    /**
     * The module by torch's newer exporter, from the node's metadata: its scopes from the outermost to the operator's,
     * {@code ['', 'model', 'model.layers.0', …, 'model.layers.0.mlp.up_proj', 'linear']}; empty for other metadata.
     */
    private static String moduleOf(Region region) {
        Message entry = new Message(region, "metadata");
        boolean scopes = false;
        while (entry.next()) {
            switch (entry.field()) {
                case 1 -> scopes = entry.text().equals("pkg.torch.onnx.name_scopes");
                case 2 -> {
                    if (scopes) {
                        String[] names =
                                entry.text().replaceAll("[\\[\\]' ]", "").split(",", -1);
                        return names.length < 2 ? "" : names[names.length - 2];
                    }
                }
                default -> {}
            }
        }
        return "";
    }

    /** The attribute by which Gemm takes its matrix as a Linear holds it. */
    private static boolean isTransB(Region region) {
        Message attribute = new Message(region, "an attribute");
        boolean named = false;
        boolean set = false;
        while (attribute.next()) {
            switch (attribute.field()) {
                case 1 -> named = attribute.text().equals("transB");
                case 3 -> set = attribute.varint() == 1;
                default -> {}
            }
        }
        return named && set;
    }

    private Initializer readTensor(Region region) {
        Message tensor = new Message(region, "a tensor");
        List<Long> dims = new ArrayList<>();
        int type = 0;
        String name = "";
        Optional<Region> data = Optional.empty();
        boolean isExternal = false;
        String coded = "";
        Map<String, String> place = new HashMap<>();
        while (tensor.next()) {
            switch (tensor.field()) {
                case 1 -> {
                    if (tensor.isBytes()) {
                        readPacked(tensor.bytes(), dims);
                    } else {
                        dims.add(tensor.varint());
                    }
                }
                case 2 -> type = (int) Math.min(tensor.varint(), Integer.MAX_VALUE);
                case 8 -> name = tensor.text();
                // Packed floats and doubles are the bytes that raw_data would have.
                case 4, 10 -> data = tensor.isBytes() ? Optional.of(tensor.bytes()) : data;
                case 9 -> data = Optional.of(tensor.bytes());
                case 5 -> coded = "int32_data";
                case 7 -> coded = "int64_data";
                case 11 -> coded = "uint64_data";
                case 13 -> readEntry(tensor.bytes(), place);
                case 14 -> isExternal = tensor.varint() == 1;
                default -> {}
            }
        }
        Shape shape = shape(name, dims);
        if (shape.elements() > Long.MAX_VALUE / Double.BYTES) {
            throw refused(name, "is larger than any file");
        }
        if (isExternal) {
            data = Optional.of(external.region(name, place, bytes(type, shape)));
        } else if (data.isEmpty() && !coded.isEmpty() && shape.rank() > 1) {
            throw refused(name, "holds its values as " + coded + ", number by number, which is not read")
                    .withHint("save the model again (Python: onnx.save(onnx.load(\"model.onnx\"), \"model.onnx\") after"
                            + " onnx.numpy_helper.from_array of each tensor)");
        } else if (data.isPresent()) {
            long need = bytes(type, shape);
            long held = data.get().length();
            if (need >= 0 && need != held) {
                throw refused(
                        name, "expected " + need + " bytes for " + typeName(type) + " " + shape + ", found " + held);
            }
        }
        return new Initializer(name, type, shape, data);
    }

    private void readPacked(Region region, List<Long> out) {
        // A packed field is numbers without tags; as a message with one field each it would need them.
        long at = 0;
        while (at < region.length()) {
            long value = 0;
            int shift = 0;
            int next;
            do {
                next = region.u8(at++);
                value |= (long) (next & 0x7f) << shift;
                shift += 7;
            } while (next >= 0x80 && shift < 70);
            out.add(value);
            if (out.size() > 64) {
                throw InputException.of(
                        file.path(), "byte " + (region.offset() + at), "a tensor of more than 64 dimensions");
            }
        }
    }

    private static void readEntry(Region region, Map<String, String> place) {
        Message entry = new Message(region, "external_data");
        String key = "";
        String value = "";
        while (entry.next()) {
            switch (entry.field()) {
                case 1 -> key = entry.text();
                case 2 -> value = entry.text();
                default -> {}
            }
        }
        place.put(key, value);
    }

    private Shape shape(String name, List<Long> dims) {
        try {
            return Shape.of(dims.stream().mapToLong(Long::longValue).toArray());
        } catch (IllegalArgumentException e) {
            throw refused(name, String.valueOf(e.getMessage())).withCause(e);
        }
    }

    /** Bytes of a tensor, or -1 for types whose elements are not whole bytes, or no numbers. */
    private static long bytes(int type, Shape shape) {
        return dtype(type).map(dtype -> shape.elements() * dtype.bytes()).orElse(-1L);
    }

    /** TensorProto.DataType. */
    private static Optional<DType> dtype(int type) {
        return Optional.ofNullable(
                switch (type) {
                    case 1 -> DType.F32;
                    case 2 -> DType.U8;
                    case 3 -> DType.I8;
                    case 4 -> DType.U16;
                    case 5 -> DType.I16;
                    case 6 -> DType.I32;
                    case 7 -> DType.I64;
                    case 9 -> DType.BOOL;
                    case 10 -> DType.F16;
                    case 11 -> DType.F64;
                    case 12 -> DType.U32;
                    case 13 -> DType.U64;
                    case 16 -> DType.BF16;
                    case 17 -> DType.F8_E4M3;
                    case 18 -> DType.F8_E4M3FNUZ;
                    case 19 -> DType.F8_E5M2;
                    case 20 -> DType.F8_E5M2FNUZ;
                    case 24 -> DType.F8_E8M0;
                    default -> null;
                });
    }

    private static String typeName(int type) {
        return dtype(type).map(Enum::name).orElse("ONNX type " + type);
    }

    /** Puts each initializer under its module's name. */
    private void name() {
        List<String> nameless = new ArrayList<>();
        initializers.values().forEach(initializer -> {
            String own = initializer.name();
            Use use = uses.get(own);
            boolean named = isParameter(own);
            if (named || use == null) {
                if (named) {
                    add(own, initializer, false);
                } else if (initializer.shape().rank() > 1) {
                    nameless.add(own);
                }
                return;
            }
            add(use.module() + ".weight", initializer, use.transposed());
        });
        copies.forEach((name, original) -> {
            Initializer initializer = initializers.get(original);
            if (initializer != null) {
                add(name, initializer, false);
            }
        });
        if (!nameless.isEmpty()) {
            notes.add(file.path() + ": initializers of no named module, not used: "
                    + String.join(
                            ", ", nameless.stream().limit(6).map(Quoted::of).toList())
                    + (nameless.size() > 6 ? " and " + (nameless.size() - 6) + " more" : ""));
        }
        if (tensors.isEmpty()) {
            throw InputException.of(file.path(), "no initializer has the name of a module's weight")
                    .withHint("export the model with its parameters' names (torch.onnx.export keeps them), or give the"
                            + " checkpoint that it was exported from");
        }
    }

    private static boolean isParameter(String name) {
        return name.endsWith(".weight") || name.endsWith(".bias");
    }

    private void add(String name, Initializer initializer, boolean transposed) {
        Optional<DType> dtype = dtype(initializer.type());
        if (dtype.isEmpty() || initializer.data().isEmpty()) {
            unreadable.put(name, typeName(initializer.type()));
            return;
        }
        Stored stored = new Stored(
                new TensorInfo(name, dtype.get(), initializer.shape()),
                initializer.data().get());
        if (transposed && initializer.shape().rank() != 2) {
            throw refused(
                    initializer.name(),
                    "is the matrix of " + Quoted.of(name) + ", found the shape " + initializer.shape());
        }
        if (tensors.put(name, transposed ? Strided.transposed(stored) : stored) != null) {
            throw refused(initializer.name(), "and another initializer are both " + Quoted.of(name));
        }
    }

    private InputException refused(String initializer, String problem) {
        return InputException.of(file.path(), "initializer " + Quoted.of(initializer), problem);
    }
}
