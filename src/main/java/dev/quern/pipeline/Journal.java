package dev.quern.pipeline;

import dev.quern.gguf.GgufLayout;
import dev.quern.io.FileIdentity;
import dev.quern.io.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the journal of an interrupted conversion says, line by line: first what the work is, then how many bytes of which
 * tensor are on disk, with their checksum. The last line about a tensor counts.
 */
final class Journal {
    private static final Pattern IDENTITY =
            Pattern.compile("quern conversion 1 plan=([0-9a-f]{64}) source=([0-9a-f]{64}) tool=(.*)");
    private static final Pattern TENSOR = Pattern.compile("tensor (\\d{1,9}) (\\d{1,18}) ([0-9a-f]{8})");

    private Journal() {}

    /**
     * The first line: equal for two runs exactly when one can go on where the other stopped.
     *
     * @param tool the version, since another one may make other bytes
     */
    static String identity(OutputPlan plan, GgufLayout layout, Inputs inputs, String tool) {
        MessageDigest source = Sha256.digest();
        source.update((inputs.how() + "\n").getBytes(StandardCharsets.UTF_8));
        for (FileIdentity file : inputs.read()) {
            source.update((file.lasting() + "\n").getBytes(StandardCharsets.UTF_8));
        }
        return "quern conversion 1 plan=" + Sha256.hex(digest(plan, layout)) + " source=" + Sha256.hex(source)
                + " tool=" + tool.replaceAll("\\R", " ");
    }

    /** The header has all metadata, names, types, shapes and places; what else decides bytes comes behind it. */
    private static MessageDigest digest(OutputPlan plan, GgufLayout layout) {
        MessageDigest digest = Sha256.digest();
        digest.update(layout.header());
        for (PlannedTensor tensor : plan.tensors()) {
            digest.update((byte) (tensor.copied() ? 1 : tensor.searched() ? 2 : 0));
            float[][] importance = tensor.importance();
            if (importance == null) {
                continue;
            }
            for (float[] row : importance) {
                ByteBuffer bytes = ByteBuffer.allocate(row.length * Float.BYTES);
                bytes.asFloatBuffer().put(row);
                digest.update(bytes);
            }
        }
        return digest;
    }

    /** What differs between two first lines, for people. */
    static String difference(String earlier, String now) {
        Matcher before = IDENTITY.matcher(earlier);
        Matcher after = IDENTITY.matcher(now);
        if (!before.matches() || !after.matches()) {
            return "it was begun by another version";
        }
        if (!before.group(3).equals(after.group(3))) {
            return "it was begun by version " + before.group(3);
        }
        return before.group(2).equals(after.group(2)) ? "the options or the metadata differ" : "the source has changed";
    }

    static String line(int tensor, TensorExtent.Prefix prefix) {
        return "tensor " + tensor + " " + prefix.bytes() + " " + HexFormat.of().toHexDigits(prefix.checksum());
    }

    /** What is on disk, by the tensors' places in the file; a line that says something else says nothing. */
    static Map<Integer, TensorExtent.Prefix> prefixes(List<String> lines) {
        Map<Integer, TensorExtent.Prefix> prefixes = new HashMap<>();
        for (String line : lines) {
            Matcher matcher = TENSOR.matcher(line);
            if (matcher.matches()) {
                prefixes.put(
                        Integer.valueOf(matcher.group(1)),
                        new TensorExtent.Prefix(
                                Long.parseLong(matcher.group(2)), HexFormat.fromHexDigits(matcher.group(3))));
            }
        }
        return prefixes;
    }

    /** New lines for what has come since the last ones. */
    static final class Lines {
        private final List<TensorExtent> extents;
        private final long[] recorded;

        /** @param extents in the file's order */
        Lines(List<TensorExtent> extents) {
            this.extents = List.copyOf(extents);
            this.recorded = extents.stream()
                    .mapToLong(extent -> extent.prefix().bytes())
                    .toArray();
        }

        synchronized List<String> since() {
            List<String> lines = new ArrayList<>();
            for (int i = 0; i < recorded.length; i++) {
                TensorExtent.Prefix prefix = extents.get(i).prefix();
                if (prefix.bytes() > recorded[i]) {
                    lines.add(line(i, prefix));
                    recorded[i] = prefix.bytes();
                }
            }
            return lines;
        }
    }
}
