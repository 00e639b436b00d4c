package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.PickleValue.Callable;
import dev.quern.checkpoint.torch.PickleValue.ElementType;
import dev.quern.checkpoint.torch.PickleValue.StorageClass;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The names a pickle may mention. Nothing is imported or run: a name in this table stands for a value that Quern
 * builds itself, and every other name refuses the file, because what its object would have held is unknown.
 */
final class Globals {
    /** Names that may be called, or stand as a type inside a call. */
    enum Function {
        ORDERED_DICT("collections", "OrderedDict"),
        COUNTER("collections", "Counter"),
        DEFAULT_DICT("collections", "defaultdict"),
        REBUILD_TENSOR("torch._utils", "_rebuild_tensor"),
        REBUILD_TENSOR_V2("torch._utils", "_rebuild_tensor_v2"),
        REBUILD_TENSOR_V3("torch._utils", "_rebuild_tensor_v3"),
        REBUILD_PARAMETER("torch._utils", "_rebuild_parameter"),
        REBUILD_PARAMETER_WITH_STATE("torch._utils", "_rebuild_parameter_with_state"),
        REBUILD_FROM_TYPE_V2("torch._tensor", "_rebuild_from_type_v2"),
        TENSOR("torch", "Tensor"),
        PARAMETER("torch.nn.parameter", "Parameter"),
        BUFFER("torch.nn.parameter", "Buffer"),
        SIZE("torch", "Size"),
        DEVICE("torch", "device"),
        ENCODE("_codecs", "encode"),
        SET("builtins", "set"),
        FROZEN_SET("builtins", "frozenset"),
        BYTE_ARRAY("builtins", "bytearray"),
        COMPLEX("builtins", "complex"),
        // Factories of a defaultdict; never called.
        DICT("builtins", "dict"),
        LIST("builtins", "list"),
        INTEGER("builtins", "int"),
        FLOAT("builtins", "float");

        private final String module;
        private final String attribute;

        Function(String module, String attribute) {
            this.module = module;
            this.attribute = attribute;
        }

        /** {@code torch._utils._rebuild_tensor_v2} */
        @Override
        public String toString() {
            return module + "." + attribute;
        }
    }

    /** The refusal of a name: why, and what the user can do. */
    record Refusal(String reason, String hint) {}

    private static final Map<String, Function> FUNCTIONS = Arrays.stream(Function.values())
            .collect(Collectors.toUnmodifiableMap(Function::toString, java.util.function.Function.identity()));

    /** Python 2's names of modules, as its pickles hold them. */
    private static final Map<String, String> PYTHON_2 = Map.of("__builtin__", "builtins", "copy_reg", "copyreg");

    private static final String RESAVE =
            "in the program that made it, save the weights alone: torch.save(model.state_dict(), path)";

    private static final Map<String, String> NOT_WEIGHTS = Map.ofEntries(
            Map.entry("torch._utils._rebuild_sparse_tensor", "a sparse tensor"),
            Map.entry("torch._utils._rebuild_sparse_csr_tensor", "a sparse tensor"),
            Map.entry("torch.serialization._get_layout", "a sparse tensor"),
            Map.entry("torch._utils._rebuild_qtensor", "a tensor of torch's own quantization"),
            Map.entry("torch.per_tensor_affine", "a tensor of torch's own quantization"),
            Map.entry("torch.per_channel_affine", "a tensor of torch's own quantization"),
            Map.entry("torch._utils._rebuild_meta_tensor_no_storage", "a meta tensor, which has no data"),
            Map.entry("torch._utils._rebuild_nested_tensor", "a nested tensor"),
            Map.entry("torch._utils._rebuild_wrapper_subclass", "a tensor subclass"),
            Map.entry("torch._utils._rebuild_device_tensor_from_numpy", "a tensor of another device"),
            Map.entry("torch._utils._rebuild_device_tensor_from_cpu_tensor", "a tensor of another device"),
            Map.entry("torch.storage._load_from_bytes", "a torch file inside the torch file"));

    /** Modules that no checkpoint needs and every attack uses; the whole package counts. */
    private static final Set<String> DANGEROUS = Set.of(
            "os",
            "posix",
            "nt",
            "sys",
            "subprocess",
            "runpy",
            "pty",
            "socket",
            "shutil",
            "importlib",
            "builtins",
            "pickle",
            "_pickle",
            "operator",
            "_operator",
            "functools",
            "code",
            "codeop",
            "types",
            "ctypes",
            "bdb",
            "pdb",
            "timeit",
            "webbrowser",
            "pip",
            "venv",
            "pydoc",
            "asyncio",
            "multiprocessing",
            "threading",
            "idlelib",
            "cloudpickle",
            "dill",
            "marshal",
            "platform",
            "http",
            "urllib",
            "requests",
            "ssl",
            "ftplib",
            "tempfile",
            "copyreg",
            "_codecs",
            "codecs");

    private Globals() {}

    static Optional<PickleValue> find(String module, String attribute) {
        String home = PYTHON_2.getOrDefault(module, module);
        Function function = FUNCTIONS.get(home + "." + attribute);
        if (function != null && function.module.equals(home)) {
            return Optional.of(new Callable(function));
        }
        return switch (home) {
            case "torch" ->
                TorchType.ofStorageClass(attribute)
                        .<PickleValue>map(type -> new StorageClass(Optional.of(type)))
                        .or(() -> TorchType.ofDtype(attribute).map(ElementType::new));
            case "torch.cuda" -> TorchType.ofStorageClass(attribute).map(type -> new StorageClass(Optional.of(type)));
            case "torch.storage" ->
                attribute.equals("UntypedStorage") ? Optional.of(new StorageClass(Optional.empty())) : Optional.empty();
            default -> Optional.empty();
        };
    }

    /** Why a name outside the table refuses the file. */
    static Refusal refusal(String module, String attribute) {
        String home = PYTHON_2.getOrDefault(module, module);
        String name = home + "." + attribute;
        String notWeights = NOT_WEIGHTS.get(name);
        if (notWeights != null) {
            return new Refusal("holds " + notWeights, RESAVE);
        }
        String top = home.indexOf('.') < 0 ? home : home.substring(0, home.indexOf('.'));
        if (DANGEROUS.contains(top)) {
            return new Refusal(
                    "asks for a function that no checkpoint needs; Quern runs nothing, but torch.load may",
                    "do not open this file with other programs, and get the weights from a source you trust");
        }
        if (top.equals("numpy")) {
            return new Refusal("holds a numpy value", RESAVE);
        }
        if (home.startsWith("torch.distributed")) {
            return new Refusal("holds an object of torch.distributed", RESAVE);
        }
        return new Refusal("holds an object that is not a tensor: a whole module or a foreign class", RESAVE);
    }
}
