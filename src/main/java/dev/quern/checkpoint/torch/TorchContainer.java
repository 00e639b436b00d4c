package dev.quern.checkpoint.torch;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** What a file that should come from torch.save is by its bytes; names and extensions say nothing. */
public enum TorchContainer {
    ZIP("a zip file"),
    /** torch.save before 1.6, or with _use_new_zipfile_serialization=False. */
    LEGACY("a torch file of the format before PyTorch 1.6"),
    TAR("a tar file, as torch 0.1 wrote"),
    PICKLE("a bare pickle, not a file of torch.save"),
    PREVIEW("a file of PyTorch's preview format"),
    SHIFTED_ZIP("a zip file with other bytes before it"),
    GZIP("gzip-compressed"),
    ZSTANDARD("Zstandard-compressed"),
    HDF5("an HDF5 file (.h5)"),
    GGUF("a GGUF file"),
    TEXT("text"),
    EMPTY("empty"),
    UNKNOWN("of no known kind");

    private static final String RESAVE = "load the file with torch and save its state_dict with a current version";

    /** LONG1 and STOP of torch's magic number, 0x1950a86a20f9469cfc6c: the first pickle of a legacy file. */
    private static final int[] MAGIC = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};

    private final String what;

    TorchContainer(String what) {
        this.what = what;
    }

    public static TorchContainer of(MappedFile file) {
        Region bytes = file.region();
        if (bytes.length() == 0) {
            return EMPTY;
        }
        if (starts(bytes, 0, 'P', 'K', 3, 4)) {
            return ZIP;
        }
        if (starts(bytes, 0, 0x80)) {
            // Protocols 4 and 5 put what follows into a frame of 13 bytes.
            boolean framed = starts(bytes, 2, 0x95, 13, 0, 0, 0, 0, 0, 0, 0);
            return starts(bytes, framed ? 11 : 2, MAGIC) ? LEGACY : PICKLE;
        }
        if (starts(bytes, 257, 'u', 's', 't', 'a', 'r')) {
            return TAR;
        }
        if (starts(bytes, 0, 'P', 'Y', 'T', 'O', 'R', 'C', 'H', '1')) {
            return PREVIEW;
        }
        if (starts(bytes, 0, 0x1f, 0x8b)) {
            return GZIP;
        }
        if (starts(bytes, 0, 0x28, 0xb5, 0x2f, 0xfd)) {
            return ZSTANDARD;
        }
        if (starts(bytes, 0, 0x89, 'H', 'D', 'F')) {
            return HDF5;
        }
        if (starts(bytes, 0, 'G', 'G', 'U', 'F')) {
            return GGUF;
        }
        if (starts(bytes, bytes.length() - 22, 'P', 'K', 5, 6)) {
            return SHIFTED_ZIP;
        }
        return isText(bytes) ? TEXT : UNKNOWN;
    }

    /** For messages: "found ...". */
    public String what() {
        return what;
    }

    /** The refusal of a file that torch.save did not write, with what to do about it. */
    public InputException refused(MappedFile file) {
        InputException refusal = InputException.of(
                file.path(), "expected safetensors or a file of torch.save, found a file that is " + what);
        return switch (this) {
            case TAR, PREVIEW -> refusal.withHint(RESAVE);
            case PICKLE -> refusal.withHint("save a state_dict with torch.save, not with pickle.dump");
            case SHIFTED_ZIP -> refusal.withHint("get the file again: something was put in front of it");
            case GZIP, ZSTANDARD -> refusal.withHint("decompress it first");
            case HDF5 -> refusal.withHint("TensorFlow and Keras weights are not read; look for a safetensors version");
            case GGUF -> refusal.withHint("give the GGUF file itself as the source");
            // Git LFS leaves a small text file where the weights were not fetched.
            case TEXT -> refusal.withHint("if it is a Git LFS pointer, fetch the weights with: git lfs pull");
            case ZIP, LEGACY, EMPTY, UNKNOWN -> refusal.withHint("the download may be damaged");
        };
    }

    private static boolean starts(Region bytes, long at, int... expected) {
        if (at < 0 || bytes.length() < at + expected.length) {
            return false;
        }
        for (int i = 0; i < expected.length; i++) {
            if (bytes.u8(at + i) != expected[i]) {
                return false;
            }
        }
        return true;
    }

    private static boolean isText(Region bytes) {
        byte[] start = bytes.bytes(0, (int) Math.min(bytes.length(), 64));
        return StandardCharsets.US_ASCII.newEncoder().canEncode(new String(start, StandardCharsets.ISO_8859_1))
                && new String(start, StandardCharsets.US_ASCII)
                        .chars()
                        .allMatch(c -> c >= ' ' || Arrays.binarySearch(new int[] {'\t', '\n', '\r'}, c) >= 0);
    }
}
