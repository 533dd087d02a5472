// SPDX-License-Identifier: MIT-0. `node --test`: this test asks backproof to be its judge, and answers in this process.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import test from "node:test";
import { gradients } from "./net.mjs";

const CLAIMS = { hidden: ["tanh"], heads: [{ activation: "identity", loss: "squared_error", reduction: "sum" }] };
const [PYTHON = "python", ...OPTIONS] = (process.env.BACKPROOF ?? "python").split(" ");

function verdict() {
  return new Promise((resolve, reject) => {
    const judge = spawn(PYTHON, ["-m", "backproof", "serve", ...OPTIONS], { stdio: ["pipe", "pipe", "ignore"] });
    judge.on("error", reject);
    judge.on("exit", (code) => reject(new Error(`backproof ended with ${code} and said no verdict`)));
    createInterface({ input: judge.stdout }).on("line", (line) => {
      const question = JSON.parse(line);
      if ("verdict" in question) { resolve(question); return; }
      judge.stdin.write(`${JSON.stringify({ id: question.id, ...answer(question) })}\n`);
    });
  });
}

function answer(question) {
  if (question.ask === "hello") return { protocol: 1, name: "net.mjs", answers: "gradients", claims: CLAIMS };
  if (question.ask === "gradients") return gradients(question);
  return { unsupported: question.ask };
}

test("the gradients of net.mjs are right", { timeout: 120_000 }, async () => {
  const { verdict: said, text } = await verdict();
  assert.equal(said, "conforms", text);
});
