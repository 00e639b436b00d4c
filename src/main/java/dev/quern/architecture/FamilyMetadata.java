package dev.quern.architecture;

import dev.quern.architecture.Architecture.MetadataRule;
import dev.quern.architecture.Architecture.Stage;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A page's metadata rules, applied to a model. */
final class FamilyMetadata {
    private static final long UINT32_MAX = 0xFFFF_FFFFL;

    private final Architecture page;
    private final Sizes sizes;
    private final Path config;

    FamilyMetadata(Architecture page, Sizes sizes, Path config) {
        this.page = page;
        this.sizes = sizes;
        this.config = config;
    }

    void write(Stage stage, GgufMetadata out, int fileType) {
        for (MetadataRule rule : page.metadata()) {
            if (rule.at() == stage && sizes.hold(rule.when(), 0)) {
                value(rule, fileType).ifPresent(value -> out.put(rule.key(), value));
            }
        }
    }

    private Optional<GgufValue> value(MetadataRule rule, int fileType) {
        return switch (rule.type()) {
            case FILE_TYPE -> Optional.of(GgufValue.u32(fileType));
            case UINT32 -> number(rule, 0).map(value -> GgufValue.u32(whole(rule, value, 0, UINT32_MAX)));
            case INT32 ->
                number(rule, 0)
                        .map(value -> GgufValue.i32((int) whole(rule, value, Integer.MIN_VALUE, Integer.MAX_VALUE)));
            case FLOAT32 -> number(rule, 0).map(value -> GgufValue.f32(value.floatValue()));
            case BOOL -> number(rule, 0).map(value -> GgufValue.bool(value != 0));
            case STRING ->
                evaluated(rule, 0) instanceof String text ? Optional.of(GgufValue.text(text)) : Optional.empty();
            case INT32S -> numbers(rule).map(list -> GgufValue.i32s(ints(rule, list)));
            case FLOAT32S -> numbers(rule).map(FamilyMetadata::floats);
            case BOOLS -> numbers(rule).map(FamilyMetadata::bools);
        };
    }

    private @Nullable Object evaluated(MetadataRule rule, int index) {
        String value = rule.value();
        return value == null ? null : sizes.evaluate(value, index);
    }

    private Optional<Double> number(MetadataRule rule, int index) {
        return evaluated(rule, index) instanceof Double number ? Optional.of(number) : Optional.empty();
    }

    /** Empty when an element is missing. */
    private Optional<List<Double>> numbers(MetadataRule rule) {
        String count = rule.count() == null ? "layers" : rule.count();
        List<Double> numbers = new ArrayList<>();
        for (int i = 0; i < sizes.require(count, 0); i++) {
            Optional<Double> number = number(rule, i);
            if (number.isEmpty()) {
                return Optional.empty();
            }
            numbers.add(number.get());
        }
        return Optional.of(numbers);
    }

    private int[] ints(MetadataRule rule, List<Double> list) {
        return list.stream()
                .mapToInt(value -> (int) whole(rule, value, Integer.MIN_VALUE, Integer.MAX_VALUE))
                .toArray();
    }

    private static GgufValue floats(List<Double> list) {
        float[] values = new float[list.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = list.get(i).floatValue();
        }
        return GgufValue.f32s(values);
    }

    private static GgufValue bools(List<Double> list) {
        return new GgufValue.Ints(
                GgufType.BOOL,
                list.stream().mapToLong(value -> value != 0 ? 1 : 0).toArray());
    }

    private long whole(MetadataRule rule, double value, long least, long most) {
        if (value != Math.rint(value) || value < least || value > most) {
            throw InputException.of(config, rule.value() + " is " + value)
                    .withHint(rule.key() + " is a whole number from " + least + " to " + most);
        }
        return (long) value;
    }
}
