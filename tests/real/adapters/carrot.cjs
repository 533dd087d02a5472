// Layers of nodes, fully connected by hand; every example starts from the same weights.
const { Node, Network, methods } = require("@liquid-carrot/carrot/src/index.js");  // the bundle that is its main looks for files it has not
const SQUASH = { sigmoid: "LOGISTIC", tanh: "TANH", identity: "IDENTITY", relu: "RELU" };

function build(q) {
  const layers = q.sizes.map((size, i) => Array.from({ length: size }, () =>
    new Node({ type: i === 0 ? "input" : i === q.sizes.length - 1 ? "output" : "hidden" })));
  layers.slice(1).forEach((layer, i) => layer.forEach((node, j) => {
    node.squash = methods.activation[SQUASH[q.functions[i]]];
    node.bias = q.b[i][j];
    layers[i].forEach((from, k) => from.connect(node, q.W[i][j][k]));
  }));
  layers.slice(1).forEach((layer, i) => layer.forEach((node, j) =>
    node.incoming.forEach((c) => { c.weight = q.W[i][j][layers[i].indexOf(c.from)]; })));
  return layers;
}

const zeros = (nested) => nested.map((row) => (Array.isArray(row) ? zeros(row) : 0));

function run(q, cost) {
  const dW = zeros(q.W), db = zeros(q.b);
  let loss = 0;
  q.x.forEach((x, n) => {
    const layers = build(q);
    layers[0].forEach((node, k) => node.activate(x[k]));
    layers.slice(1).forEach((layer) => layer.forEach((node) => node.activate()));
    loss += cost(q.t[n], layers.at(-1).map((node) => node.activation));
    const options = { rate: 1, momentum: 0, update: false };
    layers.at(-1).forEach((node, j) => node.propagate(q.t[n][j], options));
    layers.slice(1, -1).reverse().forEach((layer) => layer.forEach((node) => node.propagate(options)));
    layers.slice(1).forEach((layer, i) => layer.forEach((node, j) => {
      db[i][j] -= node.delta_bias_total;
      for (const c of node.incoming) dW[i][j][layers[i].indexOf(c.from)] -= c.delta_weights_total;
    }));
  });
  return { loss, dW, db };
}

// The mean over the examples, where the loss is a mean over the outputs.
function mean(q, { loss, dW, db }) {
  const each = (nested) => nested.map((row) => (Array.isArray(row) ? each(row) : row / q.x.length));
  return { loss: loss / q.x.length, dW: each(dW), db: each(db) };
}

exports.mse = (q) => mean(q, run(q, methods.cost.MSE));
exports.half = (q) => run(q, (t, y) => t.reduce((sum, each, i) => sum + 0.5 * (each - y[i]) ** 2, 0));
