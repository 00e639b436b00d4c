// Parses GGUF files with Hugging Face's own parser and prints, a line of JSON each, what it found:
// metadata keys in order, and every tensor's name, type, shape and offset.
//   node parse-gguf.mjs FILE...
import { gguf } from "@huggingface/gguf";

const plain = (key, value) => (typeof value === "bigint" ? Number(value) : value);

for (const file of process.argv.slice(2)) {
    const { metadata, tensorInfos, tensorDataOffset } = await gguf(file, { allowLocalFile: true });
    const { version, tensor_count, kv_count, ...keys } = metadata;
    console.log(JSON.stringify({ file, version, tensor_count, kv_count, keys: Object.keys(keys),
        architecture: keys["general.architecture"], file_type: keys["general.file_type"],
        tokens: keys["tokenizer.ggml.tokens"]?.length ?? 0, dataStart: tensorDataOffset,
        tensors: tensorInfos.map(({ name, dtype, shape, offset }) => ({ name, type: dtype, shape, offset })) }, plain));
}
