package dev.quern.batch;

import dev.quern.io.Sha256;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Collection;

/** SHA-256 of what a step depends on, in hexadecimal. */
final class Digests {
    private Digests() {}

    /** One digest of many texts; which text ends where is part of it. */
    static String of(Collection<String> parts) {
        MessageDigest digest = Sha256.digest();
        for (String part : parts) {
            byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
            digest.update((bytes.length + ":").getBytes(StandardCharsets.UTF_8));
            digest.update(bytes);
        }
        return Sha256.hex(digest);
    }
}
