// Loads a GGUF in node-llama-cpp, a real local runner, and prints the text it goes on with, greedily.
//   node generate.mjs FILE PROMPT TOKENS
import { getLlama, LlamaCompletion } from "node-llama-cpp";

const [file, prompt, tokens] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({ contextSize: 256 });
const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
const text = await completion.generateCompletion(prompt, { maxTokens: Number(tokens), temperature: 0 });
console.log(JSON.stringify({ file, prompt, text }));
await llama.dispose();
