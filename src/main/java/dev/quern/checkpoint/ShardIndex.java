package dev.quern.checkpoint;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * {@code model.safetensors.index.json}: which tensor lies in which shard. The names in it are joined to a path by most
 * programs as they are; here they must be plain names of files in the same directory.
 */
final class ShardIndex {
    private static final long MAX_BYTES = 64 << 20;
    private static final int MAX_TENSORS = 1_000_000;
    private static final Pattern FILE_NAME = Pattern.compile("[A-Za-z0-9._-]{1,200}\\.(safetensors|bin)");

    private final Path file;
    private final Map<String, String> shardOf = new LinkedHashMap<>();
    private OptionalLong totalSize = OptionalLong.empty();

    private ShardIndex(Path file) {
        this.file = file;
    }

    static ShardIndex read(Path file) {
        try (MappedFile mapped = MappedFile.open(file)) {
            if (mapped.size() > MAX_BYTES) {
                throw InputException.of(
                        file, "is " + mapped.size() + " bytes, more than the " + MAX_BYTES + " of an index");
            }
            ShardIndex index = new ShardIndex(file);
            try (JsonParser json = StrictJson.parser(mapped.region())) {
                index.readRoot(json);
            } catch (JacksonException e) {
                throw StrictJson.refused(file, "JSON", e);
            }
            return index;
        }
    }

    /** The shards, sorted by name. */
    List<Path> shards() {
        Map<String, Path> paths = new TreeMap<>();
        for (String name : shardOf.values()) {
            paths.computeIfAbsent(name, this::resolve);
        }
        return List.copyOf(paths.values());
    }

    /** Holds the index against what the shards hold; returns notes. */
    List<String> check(List<Weights> shards) {
        Map<String, Weights> byName = new HashMap<>();
        shards.forEach(shard -> byName.put(fileName(shard.file().path()), shard));
        shardOf.forEach((tensor, shard) -> {
            Weights home = byName.get(shard);
            if (home == null || !home.holds(tensor)) {
                throw InputException.of(
                        file, "tensor " + Quoted.of(tensor), "is not in " + shard + ", where the index has it");
            }
        });
        long bytes = 0;
        for (Weights shard : shards) {
            String name = fileName(shard.file().path());
            shard.tensors().keySet().forEach(tensor -> checkListed(shard, name, tensor));
            shard.unreadable().keySet().forEach(tensor -> checkListed(shard, name, tensor));
            bytes += shard.file().size();
        }
        List<String> notes = new ArrayList<>();
        if (totalSize.isPresent() && totalSize.getAsLong() > bytes) {
            notes.add(file + ": total_size says " + totalSize.getAsLong() + " bytes, the shards have " + bytes);
        }
        return notes;
    }

    private void checkListed(Weights shard, String shardName, String tensor) {
        String listed = shardOf.get(tensor);
        if (listed == null) {
            throw shard.refused(tensor, "is not listed in " + fileName(file));
        }
        if (!listed.equals(shardName)) {
            throw shard.refused(tensor, "is listed in " + fileName(file) + " under " + listed);
        }
    }

    private void readRoot(JsonParser json) {
        if (json.nextToken() != JsonToken.START_OBJECT) {
            throw InputException.of(file, "expected a JSON object");
        }
        boolean found = false;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String name = json.currentName();
            json.nextToken();
            if (name.equals("weight_map")) {
                if (found) {
                    throw InputException.of(file, "weight_map", "comes twice");
                }
                found = true;
                readMap(json);
            } else if (name.equals("metadata") && json.currentToken() == JsonToken.START_OBJECT) {
                readMetadata(json);
            } else {
                json.skipChildren();
            }
        }
        if (json.nextToken() != null) {
            throw InputException.of(file, "goes on after the JSON object has ended");
        }
        if (shardOf.isEmpty()) {
            throw InputException.of(file, "weight_map", "expected an object that lists tensors");
        }
    }

    private void readMap(JsonParser json) {
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw InputException.of(file, "weight_map", "expected an object that lists tensors");
        }
        Map<String, String> names = new HashMap<>();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String tensor = json.currentName();
            if (json.nextToken() != JsonToken.VALUE_STRING) {
                throw InputException.of(file, "weight_map: " + Quoted.of(tensor), "expected a file name");
            }
            String shard = names.computeIfAbsent(json.getString(), name -> name);
            if (!FILE_NAME.matcher(shard).matches()) {
                throw InputException.of(
                        file,
                        "weight_map: " + Quoted.of(tensor),
                        "expected the plain name of a .safetensors or .bin file, found " + Quoted.of(shard));
            }
            if (shardOf.put(tensor, shard) != null) {
                throw InputException.of(file, "weight_map: " + Quoted.of(tensor), "comes twice");
            }
            if (shardOf.size() > MAX_TENSORS) {
                throw InputException.of(file, "weight_map", "lists more than " + MAX_TENSORS + " tensors");
            }
        }
    }

    private void readMetadata(JsonParser json) {
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String name = json.currentName();
            JsonToken token = json.nextToken();
            boolean isLong =
                    token == JsonToken.VALUE_NUMBER_INT && json.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
            if (name.equals("total_size") && isLong) {
                totalSize = OptionalLong.of(json.getLongValue());
            } else {
                json.skipChildren();
            }
        }
    }

    private Path resolve(String shard) {
        Path path = Checkpoints.directoryOf(file).resolve(shard);
        if (!Files.exists(path)) {
            throw InputException.of(file, "the shard " + shard + " is listed but not there")
                    .withHint("the download is not complete");
        }
        try {
            if (!SnapshotFolder.holds(Checkpoints.directoryOf(file).toRealPath(), path.toRealPath())) {
                throw InputException.of(file, "the shard " + shard + " is a symbolic link out of the directory");
            }
        } catch (IOException e) {
            throw InputException.of(path, "cannot be read: " + e.getMessage()).withCause(e);
        }
        return path;
    }

    private static String fileName(Path path) {
        return String.valueOf(path.getFileName());
    }
}
