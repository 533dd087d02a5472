// Layers of nodes as the library's architect makes them; every example starts from the same weights.
const { architect, methods } = require("neataptic");
const SQUASH = { sigmoid: "LOGISTIC", tanh: "TANH", identity: "IDENTITY", relu: "RELU" };

function build(q) {
  const network = q.sizes.length === 2 ? new (require("neataptic").Network)(...q.sizes) : new architect.Perceptron(...q.sizes);
  const layers = [];
  let at = 0;
  for (const size of q.sizes) { layers.push(network.nodes.slice(at, at + size)); at += size; }
  layers.slice(1).forEach((layer, i) => layer.forEach((node, j) => {
    node.squash = methods.activation[SQUASH[q.functions[i]]];
    node.bias = q.b[i][j];
    for (const connection of node.connections.in) connection.weight = q.W[i][j][layers[i].indexOf(connection.from)];
  }));
  return { network, layers };
}

const zeros = (nested) => nested.map((row) => (Array.isArray(row) ? zeros(row) : 0));

function run(q, cost) {
  const dW = zeros(q.W), db = zeros(q.b);
  let loss = 0;
  q.x.forEach((x, n) => {
    const { network, layers } = build(q);
    loss += cost(q.t[n], network.activate(x, true));
    network.propagate(q.rate, 0, q.update, q.t[n]);
    layers.slice(1).forEach((layer, i) => layer.forEach((node, j) => {
      db[i][j] -= (q.update ? node.bias - q.b[i][j] : node.totalDeltaBias) / q.rate;
      for (const c of node.connections.in) {
        const k = layers[i].indexOf(c.from);
        dW[i][j][k] -= (q.update ? c.weight - q.W[i][j][k] : c.totalDeltaWeight) / q.rate;
      }
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
exports.crossEntropy = (q) => mean(q, run(q, methods.cost.CROSS_ENTROPY));
exports.half = (q) => run(q, (t, y) => t.reduce((sum, each, i) => sum + 0.5 * (each - y[i]) ** 2, 0));
