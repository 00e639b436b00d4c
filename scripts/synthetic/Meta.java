package synthetic;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The files that Meta publishes: params.json, tokenizer.model, and one consolidated.NN.pth for each rank. */
final class Meta {
    private Meta() {}

    static List<CheckpointFile> files(Path folder, Shape shape, DType dtype, long seed, int shards) {
        if (shape.kvHeads() % shards != 0) {
            throw new Refusal(shape.kvHeads() + " kv heads cannot be split over " + shards + " shards");
        }
        List<CheckpointFile> files = new ArrayList<>();
        files.add(CheckpointFile.of(
                folder.resolve("params.json"), shape.paramsJson().getBytes(StandardCharsets.UTF_8)));
        files.add(CheckpointFile.of(folder.resolve("tokenizer.model"), Vocabulary.model(shape.vocabulary(), seed)));
        for (int i = 0; i < shards; i++) {
            int shard = i;
            List<Tensor.Part> parts = shape.tensors().stream()
                    .map(tensor -> tensor.shard(shard, shards))
                    .toList();
            files.add(TorchArchive.file(folder.resolve("consolidated.%02d.pth".formatted(shard)), parts, dtype));
        }
        return files;
    }
}
