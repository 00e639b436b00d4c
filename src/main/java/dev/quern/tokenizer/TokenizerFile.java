package dev.quern.tokenizer;

import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The files of a checkpoint's directory that vocabularies are read from. Readers take their names from here, and so does
 * whoever must know what an output depends on.
 */
public enum TokenizerFile {
    CONFIG("config.json"),
    TOKENIZER_CONFIG("tokenizer_config.json"),
    TOKENIZER("tokenizer.json"),
    ADDED_TOKENS("added_tokens.json"),
    /** SentencePiece's, or Llama 3's ranks. */
    TOKENIZER_MODEL("tokenizer.model"),
    /** As Mistral names the later versions of its {@link #TOKENIZER_MODEL}. */
    TOKENIZER_MODEL_3("tokenizer.model.v3"),
    /** SentencePiece's of T5 models. */
    SPIECE_MODEL("spiece.model"),
    /** SentencePiece's of XLM-RoBERTa; a Unigram model for all its name. */
    XLM_ROBERTA_MODEL("sentencepiece.bpe.model"),
    /** Texts and ids of before tokenizer.json; the merges stand in {@link #MERGES}. */
    VOCABULARY("vocab.json"),
    MERGES("merges.txt"),
    /** BERT's, a token a line. */
    WORDS("vocab.txt"),
    TEKKEN("tekken.json"),
    QWEN_RANKS("qwen.tiktoken"),
    CHAT_TEMPLATE("chat_template.jinja"),
    OLDER_CHAT_TEMPLATE("chat_template.json");

    /** The folder of the named chat templates beside {@link #CHAT_TEMPLATE}. */
    static final String MORE_TEMPLATES = "additional_chat_templates";

    private final String text;

    TokenizerFile(String text) {
        this.text = text;
    }

    /** The file's name. */
    String text() {
        return text;
    }

    /** Where the file is, or would be. */
    public Path in(Path directory) {
        return directory.resolve(text);
    }

    /** Whether the directory has it. */
    public boolean isIn(Path directory) {
        return Files.exists(in(directory));
    }

    /**
     * Those that a directory has, and the named chat templates below it.
     *
     * @throws InputException when the folder of the chat templates cannot be listed
     */
    public static List<Path> all(Path directory) {
        List<Path> found = new ArrayList<>();
        for (TokenizerFile file : values()) {
            found.add(file.in(directory));
        }
        found.addAll(templates(directory));
        found.removeIf(file -> !Files.isRegularFile(file));
        return found;
    }

    /** The named chat templates, by name. */
    static List<Path> templates(Path directory) {
        Path folder = directory.resolve(MORE_TEMPLATES);
        List<Path> found = new ArrayList<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.jinja")) {
                files.forEach(found::add);
            } catch (IOException e) {
                throw InputException.of(folder, "cannot be read: " + e.getMessage())
                        .withCause(e);
            }
        }
        found.sort(null);
        return found;
    }
}
