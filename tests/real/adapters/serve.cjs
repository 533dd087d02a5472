// Reads questions, one JSON a line; the script named exports a function for each. NaN goes as a string.
const path = require("path");
const handlers = import(path.resolve(process.argv[2]));
console.log = () => {};

const text = (key, value) => (typeof value === "number" && !isFinite(value) ? String(value) : value);

async function answer(line) {
  const question = JSON.parse(line);
  try {
    const module = await handlers;
    return JSON.stringify((module.default ?? module)[question.what](question), text);
  } catch (error) {
    return JSON.stringify({ error: String(error && error.stack || error).slice(0, 500) });
  }
}

let queue = Promise.resolve();
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  queue = queue.then(async () => process.stdout.write((await answer(line)) + "\n"));
});
