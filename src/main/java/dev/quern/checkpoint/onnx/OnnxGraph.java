package dev.quern.checkpoint.onnx;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.tensor.Shape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What an ONNX model says, as far as it concerns weights: its initializers, and which nodes use them. Message types and
 * field numbers are those of onnx.proto, IR version 3 to 13.
 */
final class OnnxGraph {
    private static final int MAX_INITIALIZERS = 1_000_000;
    private static final int MAX_RANK = 64;

    /** Operators whose weights are codes with scales of their own. */
    private static final Set<String> QUANTIZED = Set.of(
            "MatMulNBits",
            "MatMulBnb4",
            "DequantizeLinear",
            "MatMulInteger",
            "QLinearMatMul",
            "DynamicQuantizeMatMul",
            "MatMulIntegerToFloat");

    /** Which module a matrix belongs to, and whether the node takes it transposed. */
    record Use(String module, boolean transposed) {}

    private final MappedFile file;
    private final ExternalData external;
    private final Map<String, Initializer> initializers = new LinkedHashMap<>();
    private final Map<String, Use> uses = new HashMap<>();
    private final Map<String, String> copies = new LinkedHashMap<>();
    private String producer = "";
    private int nodes;

    private OnnxGraph(MappedFile file, ExternalData external) {
        this.file = file;
        this.external = external;
    }

    /** @throws InputException when it is no ONNX model, damaged or quantized */
    static OnnxGraph read(MappedFile file, ExternalData external) {
        OnnxGraph graph = new OnnxGraph(file, external);
        graph.readModel();
        return graph;
    }

    /** By the graph's own names, in its order; at least one. */
    Map<String, Initializer> initializers() {
        return initializers;
    }

    /** By the initializer that is used. */
    Map<String, Use> uses() {
        return uses;
    }

    /** Parameters that are equal to an initializer, which the exporter kept in their stead: name to the initializer's. */
    Map<String, String> copies() {
        return copies;
    }

    /** For people: "ONNX of pytorch 2.13.0, 412 nodes, 39 initializers". */
    String description() {
        return "ONNX" + (producer.isBlank() ? "" : " of " + Quoted.plain(producer.strip())) + ", " + nodes + " nodes, "
                + initializers.size() + " initializers";
    }

    /** Whether the name is one that a module's parameter has. */
    static boolean isParameter(String name) {
        return name.endsWith(".weight") || name.endsWith(".bias");
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
                case 1 -> tensor.varints(dims, MAX_RANK, "dimensions");
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
                        name,
                        "expected " + need + " bytes for " + Initializer.typeName(type) + " " + shape + ", found "
                                + held);
            }
        }
        return new Initializer(name, type, shape, data);
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
        return Initializer.dtype(type)
                .map(dtype -> shape.elements() * dtype.bytes())
                .orElse(-1L);
    }

    InputException refused(String initializer, String problem) {
        return InputException.of(file.path(), "initializer " + Quoted.of(initializer), problem);
    }
}
