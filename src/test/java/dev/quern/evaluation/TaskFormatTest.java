package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import dev.quern.pipeline.Source;
import dev.quern.tokenizer.Tokenizer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Task files that are wrong, one way each. */
class TaskFormatTest {
    private static Source source;
    private static Tokenizer tokenizer;

    @TempDir
    Path directory;

    @BeforeAll
    static void open() {
        source = Source.open(Bundled.CHECKPOINT);
        tokenizer = Tokenizer.of(source.model().metadata());
    }

    @AfterAll
    static void close() {
        source.close();
    }

    private void refused(TaskFormat format, byte[] content, String message) {
        Path file = TaskFiles.write(directory, content);
        assertThatThrownBy(() -> format.tasks(file, 0, tokenizer))
                .isInstanceOf(InputException.class)
                .hasMessage(file + ": " + message);
    }

    private void refused(TaskFormat format, String content, String message) {
        refused(format, content.getBytes(StandardCharsets.UTF_8), message);
    }

    @Test
    void hellaSwag() {
        refused(TaskFormat.HELLASWAG, "", "expected 6 lines for each task, found 0 lines");
        refused(TaskFormat.HELLASWAG, "a\n1\nb\nc\nd\ne\nf\n", "expected 6 lines for each task, found 7 lines");
        refused(
                TaskFormat.HELLASWAG,
                "a\n4\nb\nc\nd\ne\n",
                "line 2: expected the right ending's index, 0 to 3, found \"4\"");
        refused(
                TaskFormat.HELLASWAG,
                "a\nb\nb\nc\nd\ne\n",
                "line 2: expected the right ending's index, 0 to 3, found \"b\"");
        refused(
                TaskFormat.HELLASWAG,
                "a\n1\nb\nb\nb\nb\n",
                "line 1: an answer is the beginning of all others and makes no token of its own");
    }

    @Test
    void winogrande() {
        refused(TaskFormat.WINOGRANDE, "\n \n", "expected a task on each line, found none");
        refused(
                TaskFormat.WINOGRANDE,
                "0,He saw _ there.,Pierre,Andrew,1\n1,\"He, who saw _, went\",a,b\n",
                "line 2: expected index, sentence, choice, choice, answer with commas, found"
                        + " \"1,\\\"He, who saw _, went\\\",a,b\"");
        refused(
                TaskFormat.WINOGRANDE,
                "0,He saw them,Pierre,Andrew,1\n",
                "line 1: expected a sentence with _ for the gap, found \"He saw them\"");
        refused(
                TaskFormat.WINOGRANDE,
                "0,He saw _,Pierre,Andrew,3\n",
                "line 1: expected the answer, 1 or 2, found \"3\"");
        refused(
                TaskFormat.WINOGRANDE,
                "0,He saw _ there,Pierre,Pierre,1\n",
                "line 1: an answer is the beginning of all others and makes no token of its own");
    }

    private static byte[] changed(int at, int value) {
        byte[] file = TaskFiles.multipleChoice(3);
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
        return file;
    }

    @Test
    void multipleChoice() {
        TaskFormat format = TaskFormat.MULTIPLE_CHOICE;
        byte[] whole = TaskFiles.multipleChoice(3);
        int question = ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN).getInt(16);
        int answers = 16 + 4 + question;
        int last = whole.length;
        refused(format, new byte[3], "byte 0: number of tasks: expected 4 bytes, found the file's end after 3");
        refused(format, changed(0, 0), "byte 0: number of tasks: expected 1 to " + (last - 4) / 4 + ", found 0");
        refused(
                format,
                changed(0, -1),
                "byte 0: number of tasks: expected 1 to " + (last - 4) / 4 + ", found 4294967295");
        refused(
                format,
                changed(16, -1),
                "byte 20: question: expected 4294967295 bytes, found the file's end after " + (last - 20));
        refused(
                format,
                changed(answers, 101),
                "byte " + answers + ": number of answers: expected at most 100, found 101");
        refused(
                format,
                changed(answers + 4, 1 << 30),
                "byte " + (answers + 8) + ": answer: expected 1073741824 bytes, found the file's end after "
                        + (last - answers - 8));
        refused(
                format,
                Arrays.copyOf(whole, last - 8),
                "byte " + (last - 8) + ": label: expected 4 bytes, found the file's end after 0");
        refused(
                format,
                Arrays.copyOf(whole, last - 4),
                "byte " + (last - 4) + ": number of answers: expected 4 bytes, found the file's end after 0");
        ByteBuffer empty =
                ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN).putInt(1).putInt(8);
        refused(format, empty.array(), "task 1 at byte 8: expected a question and answers, found an empty one");
        Path file = TaskFiles.write(directory, changed(8, 1 << 20));
        assertThatThrownBy(() -> {
                    // The draw of two of three tasks that takes the second.
                    format.tasks(file, 2, tokenizer);
                })
                .isInstanceOf(InputException.class)
                .hasMessage(file + ": byte 8: offset of task 2: expected less than the file's " + last
                        + " bytes, found 1048576");
    }
}
