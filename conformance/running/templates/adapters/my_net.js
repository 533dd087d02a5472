// A network in plain Node, to be verified by backproof. SPDX-License-Identifier: MIT-0
// A request is one line of JSON on stdin, a reply one on stdout; what you print goes to stderr.
"use strict";
const send = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

const heads = ["sum", "mean_over_batch"].flatMap((reduction) => [
  { activation: "identity", loss: "squared_error", reduction },
  { activation: "softmax", loss: "cross_entropy", reduction, targets: "one_hot" }]);
const HELLO = { // what it can do, which is what it is asked
  protocol: 1, name: "my net in JavaScript", answers: "gradients",
  claims: { hidden: ["tanh", "relu", "sigmoid"], heads, bias: "any" } };

const plus = (v, w) => v + w;
const softmax = (z, most = Math.max(...z), e = z.map((v) => Math.exp(v - most))) =>
  e.map((v) => v / e.reduce(plus));
const FUNCTIONS = { // f(x), and f'(x) from y = f(x)
  identity: [(x) => x, () => 1],
  relu: [(x) => Math.max(0, x), (y) => (y > 0 ? 1 : 0)],
  sigmoid: [(x) => 1 / (1 + Math.exp(-x)), (y) => y * (1 - y)],
  tanh: [Math.tanh, (y) => 1 - y * y] };

// layers: { W, b }, W[i][j] from input i to unit j, or { f }; x, t: one example a row.
function backprop(layers, loss, x, t) {
  const dW = [], db = [], crossed = loss.kind === "cross_entropy", a = [x];
  layers.forEach(({ W, b, f }, n) => a.push(a[n].map((row) => (f === "softmax" ? softmax(row)
    : f ? row.map(FUNCTIONS[f][0])
      : W[0].map((_, j) => row.reduce((sum, v, i) => sum + v * W[i][j], b ? b[j] : 0))))));
  const p = a.at(-1), scale = loss.scale / (loss.reduction === "sum" ? 1 : x.length);
  const error = (y, u) => (crossed ? (u > 0 ? -u * Math.log(y) : 0) : (y - u) ** 2);
  const value = scale * p.map((row, n) => row.map((y, j) => error(y, t[n][j]))).flat().reduce(plus);
  // --- your own lines: from the outputs p back to dW and db ------------------------------------
  let delta = p.map((row, n) => row.map((y, j) => scale * (crossed ? 1 : 2) * (y - t[n][j])));
  for (let i = layers.length - 1; i >= 0; i--) {
    const { W, f } = layers[i], h = a[i], y = a[i + 1];
    if (f === "softmax") continue; // delta is that of its inputs already
    if (f) delta = delta.map((row, n) => row.map((d, j) => d * FUNCTIONS[f][1](y[n][j])));
    else {
      const over = (v) => h.map((_, n) => v(n)).reduce(plus); // a sum over the examples
      dW[i] = W.map((row, k) => row.map((_, j) => over((n) => h[n][k] * delta[n][j])));
      db[i] = W[0].map((_, j) => over((n) => delta[n][j]));
      delta = delta.map((row) => W.map((w) => w.map((v, j) => v * row[j]).reduce(plus)));
    }
  }
  // ---------------------------------------------------------------------------------------------
  return [value, dW, db];
}

const number = (v) => (v === null ? NaN : Number(String(v).replace("inf", "Infinity")));
const nested = ({ shape: [m, n], data }) => (n === undefined ? data.map(number)
  : Array.from({ length: m }, (_, i) => data.slice(i * n, (i + 1) * n).map(number)));

function answer({ id, ask, network, parameters, inputs, targets }) {
  if (ask === "hello") return { id, ...HELLO };
  if (ask !== "gradients") return { id, unsupported: `${ask} is not answered` };
  const strange = network.layers.find((layer) => layer.kind !== "dense"
    && layer.function !== "softmax" && !(layer.function in FUNCTIONS));
  if (strange) return { id, unsupported: `a layer ${JSON.stringify(strange)}` };
  const given = (name) => (name in parameters ? nested(parameters[name]) : undefined);
  const layers = network.layers.map((layer, i) =>
    ({ f: layer.function, W: given(`${i}.weight`), b: given(`${i}.bias`) }));
  const [value, dW, db] = backprop(layers, network.loss, nested(inputs), nested(targets));
  const found = { weight: dW, bias: db };
  const gradients = Object.fromEntries(Object.keys(parameters).map((name) =>
    [name, found[name.split(".")[1]][name.split(".")[0]]]));
  return { id, loss: value, gradients };
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
