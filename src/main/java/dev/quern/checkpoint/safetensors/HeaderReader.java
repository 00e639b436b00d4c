package dev.quern.checkpoint.safetensors;

import dev.quern.checkpoint.safetensors.SafetensorsFile.HeaderEntry;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.io.StrictJson;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** The header, token by token: what it says is checked as it comes, and nothing is kept that is not needed. */
final class HeaderReader {
    /** The largest checkpoints in use have some hundred thousand tensors over all their files. */
    private static final int MAX_TENSORS = 200_000;

    private static final int MAX_METADATA = 65_536;

    /** PyTorch has no more useful dimensions, GGUF four; the reference library takes any number. */
    private static final int MAX_RANK = 8;

    private final Path file;
    private final Region header;

    HeaderReader(Path file, Region header) {
        this.file = file;
        this.header = header;
    }

    List<HeaderEntry> read() {
        try (JsonParser json = StrictJson.parser(header)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw refused("expected a JSON object");
            }
            List<HeaderEntry> entries = new ArrayList<>();
            Set<String> names = new HashSet<>();
            while (json.nextToken() != JsonToken.END_OBJECT) {
                String name = json.currentName();
                if (!names.add(name)) {
                    throw refused("holds the name " + Quoted.of(name) + " twice");
                }
                json.nextToken();
                if (name.equals("__metadata__")) {
                    readMetadata(json);
                } else if (entries.size() == MAX_TENSORS) {
                    throw refused("declares more than " + MAX_TENSORS + " tensors");
                } else {
                    entries.add(readTensor(json, name));
                }
            }
            if (json.nextToken() != null) {
                throw refused("goes on after the JSON object has ended");
            }
            return entries;
        } catch (JacksonException e) {
            throw StrictJson.refused(file, "header", e);
        }
    }

    private void readMetadata(JsonParser json) {
        if (json.currentToken() == JsonToken.VALUE_NULL) {
            return;
        }
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw refused("__metadata__: expected an object of texts");
        }
        Set<String> keys = new HashSet<>();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String key = json.currentName();
            if (!keys.add(key)) {
                throw refused("__metadata__: holds the key " + Quoted.of(key) + " twice");
            }
            if (keys.size() > MAX_METADATA) {
                throw refused("__metadata__: holds more than " + MAX_METADATA + " keys");
            }
            if (json.nextToken() != JsonToken.VALUE_STRING) {
                throw refused("__metadata__: " + Quoted.of(key) + ": expected a text");
            }
        }
    }

    private HeaderEntry readTensor(JsonParser json, String name) {
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw refused(name, "expected an object with dtype, shape and data_offsets");
        }
        @Nullable SafetensorsType type = null;
        long @Nullable [] shape = null;
        long @Nullable [] offsets = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "dtype" -> {
                    refuseSecond(type, name, field);
                    type = type(json, name);
                }
                case "shape" -> {
                    refuseSecond(shape, name, field);
                    shape = integers(json, name, field, MAX_RANK);
                }
                case "data_offsets" -> {
                    refuseSecond(offsets, name, field);
                    offsets = integers(json, name, field, 2);
                }
                default -> json.skipChildren();
            }
        }
        if (type == null || shape == null || offsets == null) {
            String missing = type == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw refused(name, "has no " + missing);
        }
        if (offsets.length != 2) {
            throw refused(name, "data_offsets: expected 2 numbers, found " + offsets.length);
        }
        checkSize(name, type, shape, offsets[0], offsets[1]);
        return new HeaderEntry(name, type, shape, offsets[0], offsets[1]);
    }

    private SafetensorsType type(JsonParser json, String name) {
        if (json.currentToken() != JsonToken.VALUE_STRING) {
            throw refused(name, "dtype: expected a text");
        }
        String found = json.getString();
        return SafetensorsType.named(found).orElseThrow(() -> refused(name, "unknown dtype " + Quoted.of(found)));
    }

    private void checkSize(String name, SafetensorsType type, long[] shape, long begin, long end) {
        if (end < begin) {
            throw refused(name, "data_offsets [" + begin + ", " + end + "] end before they begin");
        }
        long bits = type.bits();
        boolean empty = false;
        try {
            for (long dim : shape) {
                empty |= dim == 0;
                bits = Math.multiplyExact(bits, Math.max(dim, 1));
            }
        } catch (ArithmeticException e) {
            throw refused(name, "shape " + text(shape) + " has more than 2^63-1 bits");
        }
        bits = empty ? 0 : bits;
        if (bits % 8 != 0) {
            throw refused(name, type + " " + text(shape) + " ends inside a byte");
        }
        if (end - begin != bits / 8) {
            throw refused(
                    name,
                    "expected " + bits / 8 + " bytes for " + type + " " + text(shape) + ", found " + (end - begin));
        }
    }

    private long[] integers(JsonParser json, String name, String field, int most) {
        if (json.currentToken() != JsonToken.START_ARRAY) {
            throw refused(name, field + ": expected an array of integers");
        }
        long[] numbers = new long[most];
        int count = 0;
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (count == most) {
                throw refused(name, field + ": more than " + most + " numbers");
            }
            numbers[count++] = integer(json, name, field);
        }
        return java.util.Arrays.copyOf(numbers, count);
    }

    private long integer(JsonParser json, String name, String field) {
        boolean whole = json.currentToken() == JsonToken.VALUE_NUMBER_INT
                && json.getNumberType() != JsonParser.NumberType.BIG_INTEGER
                && !json.getString().startsWith("-");
        if (!whole) {
            throw refused(name, field + ": expected an integer from 0 to 2^63-1, found " + found(json));
        }
        return json.getLongValue();
    }

    private static String found(JsonParser json) {
        return switch (json.currentToken()) {
            case START_ARRAY -> "an array";
            case START_OBJECT -> "an object";
            case VALUE_NULL -> "null";
            default -> Quoted.of(json.getString());
        };
    }

    private void refuseSecond(@Nullable Object before, String name, String field) {
        if (before != null) {
            throw refused(name, "has " + field + " twice");
        }
    }

    private static String text(long[] shape) {
        return java.util.Arrays.toString(shape);
    }

    private InputException refused(String problem) {
        return InputException.of(file, "header", problem);
    }

    private InputException refused(String tensor, String problem) {
        return InputException.of(file, "tensor " + Quoted.of(tensor), problem);
    }
}
