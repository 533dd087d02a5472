// brain.js's own backpropagation, to be verified by backproof. SPDX-License-Identifier: MIT-0
// `npm install brain.js@1.6.1 --ignore-scripts`, and NODE_PATH is its node_modules.
"use strict";
const send = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);
const { NeuralNetwork } = require("brain.js");

const NAMES = { sigmoid: "sigmoid", tanh: "tanh", relu: "relu" };
const HELLO = { // one activation for all layers, the output too; half the squared error
  protocol: 1, name: "brain.js", answers: "gradients", claims: {
    hidden: ["sigmoid", "tanh", "relu"], same_hidden: true, same_output: true, heads:
      ["sigmoid", "tanh", "relu"].map((activation) =>
        ({ activation, loss: "squared_error", reduction: "sum", scale: 0.5 })) } };

// W[layer][input][unit], b[layer][unit]; brain.js has [unit][input], in single precision by itself.
function backprop(activation, W, b, x, t) {
  const net = new NeuralNetwork({ activation: NAMES[activation] });
  net.sizes = [W[0].length, ...b.map((row) => row.length)];
  net.outputLayer = W.length;
  net.initialize();
  W.forEach((matrix, i) => {
    net.weights[i + 1] = b[i].map((_, j) => Float64Array.from(matrix, (row) => row[j]));
    net.biases[i + 1] = Float64Array.from(b[i]);
  });
  for (const kind of ["outputs", "deltas", "errors"]) {
    net[kind] = net.sizes.map((size) => new Float64Array(size));
  }
  const dW = W.map((matrix) => matrix.map((row) => row.map(() => 0)));
  const db = b.map((row) => row.map(() => 0));
  let loss = 0;
  x.forEach((input, n) => {
    const output = net.runInput(input);
    output.forEach((y, j) => { loss += 0.5 * (y - t[n][j]) ** 2; });
    net.calculateDeltas(t[n]); // a weight moves by rate * delta * incoming
    W.forEach((matrix, i) => net.deltas[i + 1].forEach((delta, j) => {
      db[i][j] -= delta;
      matrix.forEach((_, k) => { dW[i][k][j] -= delta * net.outputs[i][k]; });
    }));
  });
  return [loss, dW, db];
}

const nested = ({ shape: [m, n], data }) => (n === undefined ? data
  : Array.from({ length: m }, (_, i) => data.slice(i * n, (i + 1) * n)));

function answer({ id, ask, network, parameters, inputs, targets }) {
  if (ask === "hello") return { id, ...HELLO };
  if (ask !== "gradients") return { id, unsupported: `${ask} is not answered` };
  const dense = [...network.layers.keys()].filter((i) => network.layers[i].kind === "dense");
  const [W, b] = ["weight", "bias"].map((kind) =>
    dense.map((i) => nested(parameters[`${i}.${kind}`])));
  const activation = network.layers.at(-1).function;
  const [loss, dW, db] = backprop(activation, W, b, nested(inputs), nested(targets));
  return { id, loss, gradients: Object.fromEntries(dense.flatMap((at, i) =>
    [[`${at}.weight`, dW[i]], [`${at}.bias`, db[i]]])) };
}

let rest = "";
process.stdin.setEncoding("utf8").on("data", (chunk) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  for (const request of lines.map((line) => JSON.parse(line))) {
    let reply;
    try { reply = answer(request); } catch (e) { reply = { id: request.id, error: e.stack }; }
    send(`${JSON.stringify(reply)}\n`);
  }
});
