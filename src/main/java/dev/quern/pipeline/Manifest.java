package dev.quern.pipeline;

import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * A file of tensors' hashes in the form that llama-gguf-hash prints and checks: kind, hash, and the file's name with the
 * tensor's, as {@code sha256    HEX  model.gguf:blk.0.attn_q.weight}. The file's name stands there without its directory,
 * so the check is run where the file is.
 */
public final class Manifest {
    private Manifest() {}

    /**
     * Refuses before the work what would be refused after it.
     *
     * @throws RefusedException when the manifest is one of the inputs or outputs, or exists (without {@code overwrite})
     */
    public static void check(Path manifest, List<Conversion.Output> outputs, Inputs inputs, boolean overwrite) {
        for (Conversion.Output output : outputs) {
            if (manifest.toAbsolutePath()
                    .normalize()
                    .equals(output.target().toAbsolutePath().normalize())) {
                throw new RefusedException(manifest, "is the output itself", "give the manifest another name");
            }
        }
        OutputFile.create(manifest, 0, inputs.paths(), overwrite).close();
    }

    /** @throws dev.quern.io.OutputException when it cannot be written; the outputs stay */
    public static void write(Path manifest, List<Conversion.Written> files, boolean overwrite) {
        byte[] text = text(files).getBytes(StandardCharsets.UTF_8);
        try (OutputFile file = OutputFile.create(manifest, text.length, List.of(), overwrite)) {
            file.write(ByteBuffer.wrap(text), 0);
            file.commit();
        }
    }

    static String text(List<Conversion.Written> files) {
        StringBuilder lines = new StringBuilder();
        for (Conversion.Written file : files) {
            for (Conversion.Hashed tensor : file.tensors()) {
                lines.append("sha256    ")
                        .append(tensor.sha256())
                        .append("  ")
                        .append(file.file().getFileName())
                        .append(':')
                        .append(tensor.tensor())
                        .append('\n');
            }
        }
        return lines.toString();
    }
}
