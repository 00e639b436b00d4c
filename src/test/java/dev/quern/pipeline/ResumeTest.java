package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufTensor;
import dev.quern.io.FaultyOperations;
import dev.quern.io.FileOperations;
import dev.quern.io.InputException;
import dev.quern.io.OutputException;
import dev.quern.io.RefusedException;
import dev.quern.verification.Manifest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a run makes of what another one left: goes on, or says why not. */
class ResumeTest {
    @TempDir
    private Path folder;

    private final List<String> notices = new ArrayList<>();
    private SmallRun small;
    private Path directory;

    @BeforeEach
    void prepare() throws IOException {
        small = new SmallRun(folder, SmallRun.Outputs.ONE);
        directory = Files.createDirectory(folder.resolve("run"));
    }

    private Path target() {
        return directory.resolve("model.gguf");
    }

    private Conversion.Options options() {
        return SmallRun.options(FileOperations.UNFORCED, false, notices::add);
    }

    /** A disk that is full before the header, the last write, is written. */
    private void interrupt() {
        FileOperations full = new FileOperations() {
            @Override
            public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
                if (position == 0 && bytes.remaining() > 256) {
                    byte[] start = new byte[4];
                    bytes.duplicate().get(start);
                    if (new String(start, StandardCharsets.US_ASCII).equals("GGUF")) {
                        throw new IOException(FaultyOperations.REASON);
                    }
                }
                return FileOperations.super.write(channel, bytes, position);
            }
        };
        assertThatThrownBy(() -> small.run(directory, SmallRun.options(full, false, notices::add)))
                .isInstanceOf(OutputException.class)
                .hasMessage(target() + ": cannot be written: " + FaultyOperations.REASON);
    }

    private Path only(String suffix) throws IOException {
        List<String> names = SmallRun.list(directory).stream()
                .filter(name -> name.endsWith(suffix))
                .toList();
        assertThat(names).hasSize(1);
        return directory.resolve(names.getFirst());
    }

    private void edit(Path file, UnaryOperator<String> change) throws IOException {
        String before = Files.readString(file);
        String after = change.apply(before);
        assertThat(after).isNotEqualTo(before);
        Files.writeString(file, after);
    }

    private void finish() throws IOException {
        notices.clear();
        small.run(directory, options());
        small.assertComplete(directory);
    }

    @Test
    void whatIsKeptIsSaidAndGoneOnWith() throws IOException {
        interrupt();
        Path partial = only(".partial");
        Path stem = partial.resolveSibling(partial.getFileName().toString().replace(".partial", ""));
        assertThat(notices)
                .containsExactly("note: what is done is kept in " + partial
                        + "; the same command goes on from there, --no-resume starts over, rm " + stem
                        + ".* gives it up");
        assertThat(partial).hasSize(small.expected("model.gguf").length);
        finish();
        assertThat(notices)
                .singleElement()
                .asString()
                .matches("note: " + target() + ": goes on where an interrupted run stopped, at [1-9]\\d* %");
    }

    /** Only what is missing is written again. */
    @Test
    void whatIsThereIsNotMadeAgain() throws IOException {
        interrupt();
        AtomicInteger written = new AtomicInteger();
        FileOperations counting = new FileOperations() {
            @Override
            public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
                int count = FileOperations.super.write(channel, bytes, position);
                written.addAndGet(count);
                return count;
            }
        };
        small.run(directory, SmallRun.options(counting, false, notices::add));
        small.assertComplete(directory);
        assertThat(written.get()).isLessThan(small.expected("model.gguf").length / 4 * 3);
    }

    @Test
    void withoutResumeItStartsOver() throws IOException {
        interrupt();
        notices.clear();
        small.run(directory, options().with(Conversion.Resume.NEVER, SmallRun.TOOL, notices::add));
        small.assertComplete(directory);
        assertThat(notices).isEmpty();
    }

    @Test
    void aSmallOutputIsNotKeptUnlessItIsWanted() throws IOException {
        FaultyOperations full = new FaultyOperations(9, true, 1 << 20);
        assertThatThrownBy(() -> small.run(
                        directory,
                        SmallRun.options(full, false, notices::add)
                                .with(Conversion.Resume.LARGE, SmallRun.TOOL, notices::add)))
                .isInstanceOf(OutputException.class);
        assertThat(directory).isEmptyDirectory();
        assertThat(notices).isEmpty();
    }

    /** W18: a line that was torn, and all behind it, are not believed; what stands before is. */
    @Test
    void aTornJournalCountsUpToTheTear() throws IOException {
        interrupt();
        Path journal = only(".journal");
        List<String> lines = Files.readAllLines(journal);
        assertThat(lines).hasSizeGreaterThan(3);
        String last = lines.getLast();
        edit(journal, text -> text.substring(0, text.length() - last.length() / 2));
        finish();
        assertThat(notices).singleElement().asString().contains("goes on where");
        assertThat(notices.getFirst()).doesNotContain("damaged");
    }

    /** W18: somebody changed a number in the first record; nothing of the journal is left but what the work is. */
    @Test
    void aTamperedJournalCountsUpToTheChange() throws IOException {
        interrupt();
        edit(only(".journal"), text -> text.replaceFirst("tensor (\\d+) (\\d+)", "tensor $1 1"));
        finish();
        assertThat(notices)
                .containsExactly("note: " + target()
                        + ": starts over, what an interrupted run left has no record of its progress");
    }

    /** W18: the data are not what the journal says. */
    @Test
    void damagedTensorsAreMadeAgain() throws IOException {
        interrupt();
        Path partial = only(".partial");
        // How far the journal has come by then depends on the threads; it is at least one tensor's first bytes.
        String recorded = Files.readAllLines(only(".journal")).stream()
                .filter(line -> line.startsWith("tensor "))
                .findFirst()
                .orElseThrow();
        int index = Integer.parseInt(recorded.split(" ")[1]);
        try (GgufFile whole = GgufFile.open(folder.resolve("undisturbed").resolve("model.gguf"));
                FileChannel channel = FileChannel.open(partial, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            GgufTensor tensor = List.copyOf(whole.tensors().values()).get(index);
            long at = whole.dataStart() + tensor.offset();
            ByteBuffer first = ByteBuffer.allocate(1);
            channel.read(first, at);
            channel.write(ByteBuffer.wrap(new byte[] {(byte) ~first.get(0)}), at);
        }
        finish();
        assertThat(notices).singleElement().asString().endsWith("; 1 damaged tensors are made again");
    }

    @Test
    void bytesBetweenTheTensorsAreZerosAgain() throws IOException {
        interrupt();
        Path partial = only(".partial");
        byte[] bytes = Files.readAllBytes(partial);
        try (GgufFile whole = GgufFile.open(folder.resolve("undisturbed").resolve("model.gguf"))) {
            var odd = Objects.requireNonNull(whole.tensors().get("rope_freqs.weight"));
            bytes[(int) (whole.dataStart() + odd.offset() + odd.bytes())] = 7;
        }
        Files.write(partial, bytes);
        finish();
    }

    /** W18: other options. */
    @Test
    void anotherPlanStartsOver() throws IOException {
        interrupt();
        notices.clear();
        try (Source opened = Source.open(small.source)) {
            OutputPlan other =
                    Quantization.plan(opened, dev.quern.quantization.FileType.Q4_0, QuantizationOptions.NONE);
            Conversion.run(List.of(new Conversion.Output(other, target())), SmallRun.inputs(opened), options());
        }
        assertThat(SmallRun.list(directory)).containsExactly("model.gguf");
        assertThat(notices)
                .containsExactly("note: " + target()
                        + ": starts over, an interrupted run is of no use: the options or the metadata differ");
    }

    @Test
    void anotherVersionStartsOver() throws IOException {
        interrupt();
        notices.clear();
        small.run(directory, options().with(Conversion.Resume.ALWAYS, "9.9", notices::add));
        small.assertComplete(directory);
        assertThat(notices)
                .containsExactly("note: " + target()
                        + ": starts over, an interrupted run is of no use: it was begun by version 0.0 (commit test)");
    }

    /** W19, between two runs. */
    @Test
    void aSourceThatChangedMeanwhileStartsOver() throws IOException {
        interrupt();
        Files.setLastModifiedTime(small.source, FileTime.fromMillis(1_000_000));
        finish();
        assertThat(notices)
                .containsExactly(
                        "note: " + target() + ": starts over, an interrupted run is of no use: the source has changed");
    }

    private Conversion.Options whenBegun(Runnable change) {
        Progress progress = new Progress() {
            @Override
            public void begin(String step, long total) {
                change.run();
            }

            @Override
            public void advance(long amount) {}

            @Override
            public void end() {}
        };
        Conversion.Options plain = options();
        return new Conversion.Options(
                1,
                plain.kernel(),
                false,
                false,
                plain.operations(),
                Conversion.Resume.ALWAYS,
                SmallRun.TOOL,
                false,
                Conversion.Judge.NONE,
                progress,
                notices::add);
    }

    /** W19, during a run: nothing appears, and nothing is kept. */
    @Test
    void aSourceThatIsWrittenToWhileItIsReadIsRefused() {
        Conversion.Options touching = whenBegun(() -> {
            try {
                Files.setLastModifiedTime(small.source, FileTime.fromMillis(1_000_000));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        assertThatThrownBy(() -> small.run(directory, touching))
                .isInstanceOfSatisfying(
                        InputException.class,
                        e -> assertThat(e.hint())
                                .isEqualTo("wait until whatever writes it has ended, then run the command again"))
                .hasMessageStartingWith(small.source + ": changed while it was being read: expected ")
                .hasMessageContaining("found ");
        assertThat(directory).isEmptyDirectory();
    }

    /** W19, G60: the mapping's pages are gone. */
    @Test
    void aSourceThatShrinksWhileItIsReadIsRefused() {
        Conversion.Options shrinking = whenBegun(() -> {
            try (FileChannel channel = FileChannel.open(small.source, StandardOpenOption.WRITE)) {
                channel.truncate(4096);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        assertThatThrownBy(() -> small.run(directory, shrinking))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(small.source + ": changed while it was being read: expected ");
        assertThat(directory).isEmptyDirectory();
    }

    /** A refusal of the source is no interruption: the same command would be refused again. */
    @Test
    void whatTheSourceIsRefusedForIsNotKept() throws IOException {
        try (GgufFile source = GgufFile.open(small.source);
                FileChannel channel = FileChannel.open(small.source, StandardOpenOption.WRITE)) {
            var last = Objects.requireNonNull(source.tensors().get("token_embd.weight"));
            // An F16 NaN at the end of the largest tensor.
            channel.write(ByteBuffer.wrap(new byte[] {1, 0x7e}), source.dataStart() + last.offset() + last.bytes() - 2);
        }
        assertThatThrownBy(() -> small.run(directory, options()))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("value is NaN");
        assertThat(directory).isEmptyDirectory();
    }

    /** W17. */
    @Test
    void twoRunsOnOneOutputExcludeEachOther() throws IOException {
        interrupt();
        AtomicBoolean refused = new AtomicBoolean();
        small.run(directory, whenBegun(() -> {
            assertThatThrownBy(() -> small.run(directory, options()))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("is being written by another run");
            refused.set(true);
        }));
        assertThat(refused).isTrue();
        small.assertComplete(directory);
    }

    /** The power went between the move and the removal of the journal. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anOutputThatIsInPlaceAlreadyIsChecked(boolean damaged) throws IOException {
        interrupt();
        directoryForceFails();
        only(".journal");
        if (damaged) {
            byte[] bytes = Files.readAllBytes(target());
            bytes[bytes.length / 2] ^= 1;
            Files.write(target(), bytes);
            assertThatThrownBy(() -> small.run(directory, options()))
                    .isInstanceOf(RefusedException.class)
                    .hasMessage(target() + ": already exists");
            assertThat(target()).hasBinaryContent(bytes);
            return;
        }
        finish();
        assertThat(notices).containsExactly("note: " + target() + ": is in place and whole, from an interrupted run");
    }

    /** The very last operation fails. */
    private void directoryForceFails() {
        AtomicBoolean moved = new AtomicBoolean();
        FileOperations failing = new FileOperations() {
            @Override
            public void move(Path from, Path to) throws IOException {
                FileOperations.super.move(from, to);
                moved.set(true);
            }

            @Override
            public void forceDirectory(Path forced) throws IOException {
                if (moved.get()) {
                    throw new IOException(FaultyOperations.REASON);
                }
            }
        };
        assertThatThrownBy(() -> small.run(directory, SmallRun.options(failing, false, notice -> {})))
                .isInstanceOf(OutputException.class)
                .hasMessageContaining("is in place and whole");
    }

    @Test
    void hashesAreThoseOfTheTensorsResumedOrNot() throws Exception {
        interrupt();
        List<Conversion.Written> written;
        try (Source opened = Source.open(small.source)) {
            written = Conversion.run(
                    SmallRun.Outputs.ONE.plan(opened, directory),
                    SmallRun.inputs(opened),
                    options().withHashes(true));
        }
        small.assertComplete(directory);
        StringBuilder expected = new StringBuilder();
        try (GgufFile file = GgufFile.open(target())) {
            for (var tensor : file.tensors().values()) {
                byte[] bytes = file.region(tensor.name()).bytes(0, Math.toIntExact(tensor.bytes()));
                String hash = HexFormat.of()
                        .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
                // As llama-gguf-hash prints it.
                expected.append(String.format("%-8s  %s  %s%n", "sha256", hash, "model.gguf:" + tensor.name()));
            }
        }
        Path manifest = directory.resolve("model.sha256");
        Manifest.write(manifest, written, false);
        assertThat(manifest).hasContent(expected.toString());
    }
}
