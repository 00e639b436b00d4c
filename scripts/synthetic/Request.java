package synthetic;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * What the command line asks for.
 *
 * @param shards Meta's ranks, or how many safetensors files; 0 leaves it to {@code maxShardSize}
 * @param maxShardSize bytes of tensors in a safetensors file
 */
public record Request(
        Path folder,
        Layout layout,
        Shape shape,
        DType dtype,
        long seed,
        int shards,
        long maxShardSize,
        int threads,
        boolean sparse,
        boolean checklist,
        boolean force,
        boolean json) {
    public static final String USAGE = """
        usage: make-synthetic [PRESET] -o FOLDER [options]

        Writes a LLaMA-shaped checkpoint with plausible weights that depend on the seed alone.

        PRESET              tiny (default), tinyllama-1.1b, 7b, 13b, 65b-mini
          -o, --out FOLDER  where to, made if missing
          --layout hf|meta  Hugging Face's safetensors (default) or Meta's consolidated.NN.pth
          --layers N --width N --ffn N --heads N --kv-heads N --vocab N
                            the preset's measures, changed
          --experts N       as Mixtral has them, in place of one feed-forward network; Hugging Face's layout
          --tied            the output matrix is the token embedding
          --dtype f16|bf16|f32
                            default f16
          --seed N          default 1
          --shards N        number of files (Meta's presets: 1, 13b 2, 65b-mini 8)
          --max-shard-size N[K|M|G]
                            of safetensors, in powers of ten as Hugging Face counts; default 5G
          --rope-freqs layer|model
                            where Meta's layout has them: in every layer (LLaMA 1) or once (Llama 2)
          --checklist       Meta's layout: checklist.chk with MD5 sums
          --sparse          holes instead of weights: the right size, all zero, no disk space
          --threads N       default: number of processors
          --force           write into a folder that is not empty
        """;

    private static final Set<String> FLAGS = Set.of("--tied", "--checklist", "--sparse", "--force", "--json");
    private static final Set<String> VALUES = Set.of(
            "--out",
            "--layout",
            "--layers",
            "--width",
            "--ffn",
            "--heads",
            "--kv-heads",
            "--vocab",
            "--experts",
            "--dtype",
            "--seed",
            "--shards",
            "--max-shard-size",
            "--rope-freqs",
            "--threads");

    public enum Layout {
        HF,
        META
    }

    public static Request of(List<String> arguments) {
        Map<String, String> given = new HashMap<>();
        String preset = "tiny";
        for (int i = 0; i < arguments.size(); i++) {
            String argument = arguments.get(i).equals("-o") ? "--out" : arguments.get(i);
            if (FLAGS.contains(argument)) {
                given.put(argument, "");
            } else if (VALUES.contains(argument)) {
                if (++i == arguments.size()) {
                    throw new Refusal(argument + " needs a value");
                }
                given.put(argument, arguments.get(i));
            } else if (argument.startsWith("-") || given.containsKey("preset")) {
                throw new Refusal("cannot make anything of " + argument);
            } else {
                preset = argument;
                given.put("preset", preset);
            }
        }
        if (!given.containsKey("--out")) {
            throw new Refusal("where to? -o FOLDER");
        }
        Layout layout = choice(given, "--layout", Layout.HF);
        boolean meta = layout == Layout.META;
        if (meta && integer(given, "--experts", 0) != 0) {
            throw new Refusal("experts are written in Hugging Face's layout only");
        }
        int shards = integer(given, "--shards", meta ? Shape.presetShards(preset) : 0);
        if (shards < 0 || meta && (shards < 1 || shards > 99)) {
            throw new Refusal("--shards " + shards + " is not a number of files");
        }
        return new Request(
                Path.of(given.get("--out")),
                layout,
                shape(Shape.preset(preset), given),
                DType.of(given.getOrDefault("--dtype", "f16")),
                longValue("--seed", given.getOrDefault("--seed", "1")),
                shards,
                size(given.getOrDefault("--max-shard-size", "5G")),
                Math.max(1, integer(given, "--threads", Runtime.getRuntime().availableProcessors())),
                given.containsKey("--sparse"),
                given.containsKey("--checklist"),
                given.containsKey("--force"),
                given.containsKey("--json"));
    }

    private static Shape shape(Shape preset, Map<String, String> given) {
        int heads = integer(given, "--heads", preset.heads());
        boolean grouped = preset.kvHeads() != preset.heads() && !given.containsKey("--heads");
        return new Shape(
                integer(given, "--layers", preset.layers()),
                integer(given, "--width", preset.width()),
                integer(given, "--ffn", preset.ffn()),
                heads,
                integer(given, "--kv-heads", grouped ? preset.kvHeads() : heads),
                integer(given, "--vocab", preset.vocabulary()),
                preset.context(),
                preset.normEpsilon(),
                preset.tied() || given.containsKey("--tied"),
                integer(given, "--experts", preset.experts()),
                choice(given, "--rope-freqs", preset.ropeFreqs()));
    }

    private static <E extends Enum<E>> E choice(Map<String, String> given, String option, E otherwise) {
        String value = given.get(option);
        if (value == null) {
            return otherwise;
        }
        for (E constant : otherwise.getDeclaringClass().getEnumConstants()) {
            if (constant.name().equalsIgnoreCase(value)) {
                return constant;
            }
        }
        throw new Refusal(option + " cannot be " + value);
    }

    private static int integer(Map<String, String> given, String option, int otherwise) {
        String value = given.get(option);
        if (value == null) {
            return otherwise;
        }
        long number = longValue(option, value);
        if (number != (int) number) {
            throw new Refusal(option + " " + value + " is too large");
        }
        return (int) number;
    }

    private static long size(String text) {
        String upper = text.toUpperCase(Locale.ROOT).replaceFirst("B$", "");
        long unit = switch (upper.isEmpty() ? ' ' : upper.charAt(upper.length() - 1)) {
            case 'K' -> 1_000;
            case 'M' -> 1_000_000;
            case 'G' -> 1_000_000_000;
            default -> 1;
        };
        String digits = unit == 1 ? upper : upper.substring(0, upper.length() - 1);
        long size = longValue("--max-shard-size", digits);
        if (size < 1 || size > Long.MAX_VALUE / unit) {
            throw new Refusal("--max-shard-size cannot be " + text);
        }
        return size * unit;
    }

    private static long longValue(String option, String text) {
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new Refusal(option + " needs a whole number, not " + text);
        }
    }
}
