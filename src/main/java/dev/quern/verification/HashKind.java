package dev.quern.verification;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import net.jpountz.xxhash.StreamingXXHash64;
import net.jpountz.xxhash.XXHashFactory;

/** The hashes that llama-gguf-hash knows, by the names its manifests give them. */
public enum HashKind {
    XXH64(16) {
        @Override
        Running start() {
            StreamingXXHash64 hash = XXHashFactory.safeInstance().newStreamingHash64(0);
            return new Running() {
                @Override
                public void update(byte[] bytes, int count) {
                    hash.update(bytes, 0, count);
                }

                @Override
                public String finish() {
                    return HexFormat.of().toHexDigits(hash.getValue());
                }
            };
        }
    },
    SHA1(40) {
        @Override
        Running start() {
            return digest("SHA-1", new byte[0]);
        }
    },
    SHA256(64) {
        @Override
        Running start() {
            return digest("SHA-256", new byte[0]);
        }
    },

    /** A name-based UUID (RFC 9562, version 5) in llama.cpp's own name space. */
    UUID_V5(36) {
        @Override
        Running start() {
            ByteBuffer space = ByteBuffer.allocate(2 * Long.BYTES)
                    .putLong(SPACE.getMostSignificantBits())
                    .putLong(SPACE.getLeastSignificantBits());
            Running sha1 = digest("SHA-1", space.array());
            return new Running() {
                @Override
                public void update(byte[] bytes, int count) {
                    sha1.update(bytes, count);
                }

                @Override
                public String finish() {
                    byte[] id = Arrays.copyOf(HexFormat.of().parseHex(sha1.finish()), 2 * Long.BYTES);
                    id[6] = (byte) (id[6] & 0x0f | 0x50);
                    id[8] = (byte) (id[8] & 0x3f | 0x80);
                    ByteBuffer words = ByteBuffer.wrap(id);
                    return new UUID(words.getLong(), words.getLong()).toString();
                }
            };
        }
    };

    /** llama.cpp, gguf-hash: the UUID of its Wikipedia page. */
    private static final UUID SPACE = UUID.fromString("ef001206-dadc-5f6d-a15f-3359e577d4e5");

    private final int digits;

    HashKind(int digits) {
        this.digits = digits;
    }

    /** A hash that is being computed. */
    interface Running {
        void update(byte[] bytes, int count);

        /** In lower-case hexadecimal digits (a UUID with its hyphens). */
        String finish();
    }

    abstract Running start();

    /** As manifests spell it. */
    public String label() {
        return this == UUID_V5 ? "uuid" : name().toLowerCase(Locale.ROOT);
    }

    static Optional<HashKind> fromLabel(String label) {
        return Arrays.stream(values())
                .filter(kind -> kind.label().equals(label))
                .findFirst();
    }

    /** Whether a text could be a hash of this kind. */
    boolean canBe(String text) {
        return text.length() == digits
                && text.chars()
                        .allMatch(c -> c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || this == UUID_V5 && c == '-');
    }

    private static Running digest(String algorithm, byte[] prefix) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(algorithm + " is part of every Java platform", e);
        }
        digest.update(prefix);
        return new Running() {
            @Override
            public void update(byte[] bytes, int count) {
                digest.update(bytes, 0, count);
            }

            @Override
            public String finish() {
                return HexFormat.of().formatHex(digest.digest());
            }
        };
    }
}
