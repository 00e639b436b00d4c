package dev.quern.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Byte for byte what Jackson's mapper writes. */
class JsonTest {
    private static final JsonMapper LINE = JsonMapper.builder().build();
    private static final JsonMapper PRETTY =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    record Point(int y, @Nullable Object x) {}

    enum Kind {
        SMALL;

        @Override
        public String toString() {
            return "a small one";
        }
    }

    private static @Nullable Object random(Random random, int depth) {
        return switch (random.nextInt(depth > 4 ? 14 : 18)) {
            case 0 -> null;
            case 1 -> random.nextBoolean();
            case 2 -> random.nextInt();
            case 3 -> random.nextLong();
            case 4 -> Double.longBitsToDouble(random.nextLong());
            case 5 -> Float.intBitsToFloat(random.nextInt());
            case 6 -> "é\"\\\n\u0001 😀/" + random.nextInt();
            case 7 -> new long[random.nextInt(3)];
            case 8 -> new float[] {1, Float.NaN};
            case 9 -> Kind.SMALL;
            case 10 -> Optional.of(1);
            case 11 -> List.of();
            case 12 -> Map.of();
            case 13 -> new int[][] {{1}, {}};
            case 14 -> new Point(random.nextInt(), random(random, depth + 1));
            case 15 -> Arrays.asList(random(random, depth + 1), random(random, depth + 1));
            case 16 -> Set.of(random.nextInt());
            default -> {
                Map<String, @Nullable Object> map = new LinkedHashMap<>();
                map.put("z \"" + random.nextInt(9), random(random, depth + 1));
                map.put("a", random(random, depth + 1));
                yield map;
            }
        };
    }

    @Test
    void whatIsWrittenIsWhatTheMapperWrites() {
        Random random = new Random(2);
        for (int i = 0; i < 3_000; i++) {
            List<@Nullable Object> value = new ArrayList<>();
            value.add(random(random, 0));
            assertThat(Json.line(value)).isEqualTo(LINE.writeValueAsString(value));
            assertThat(Json.pretty(value)).isEqualTo(PRETTY.writeValueAsString(value));
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Json.pretty(value, out);
            assertThat(out.toString(StandardCharsets.UTF_8)).isEqualTo(PRETTY.writeValueAsString(value));
        }
    }

    @Test
    void whatFailsHalfWayIsNotClosed() {
        List<Object> broken = new ArrayList<>() {
            @Override
            public void forEach(java.util.function.Consumer<? super Object> action) {
                action.accept(1);
                throw new IllegalStateException("the disk is gone");
            }
        };
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertThatThrownBy(() -> Json.pretty(Map.of("list", broken), out)).hasMessage("the disk is gone");
        assertThat(out.toString(StandardCharsets.UTF_8)).doesNotContain("]").doesNotContain("}");
    }
}
