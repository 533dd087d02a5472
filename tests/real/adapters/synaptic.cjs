// One network for each example, so that each step starts from the weights asked for.
const { Layer, Network, Neuron, Trainer } = require("synaptic");
const SQUASH = { sigmoid: "LOGISTIC", tanh: "TANH", identity: "IDENTITY", relu: "RELU" };

function build(q) {
  const layers = q.sizes.map((size) => new Layer(size));
  for (let i = 1; i < layers.length; i++) {
    layers[i - 1].project(layers[i]);
    layers[i].set({ squash: Neuron.squash[SQUASH[q.functions[i - 1]]] });
  }
  const network = new Network({ input: layers[0], hidden: layers.slice(1, -1), output: layers.at(-1) });
  network.setOptimize(false);  // else it trains a copy of the weights, compiled to one function
  each(layers, (neuron, i, j, k, connection) => { connection.weight = q.W[i][j][k]; });
  layers.slice(1).forEach((layer, i) => layer.list.forEach((neuron, j) => { neuron.bias = q.b[i][j]; }));
  return { network, layers };
}

function each(layers, visit) {
  layers.slice(1).forEach((layer, i) => layer.list.forEach((neuron, j) => {
    for (const id in neuron.connections.inputs) {
      const connection = neuron.connections.inputs[id];
      visit(neuron, i, j, layers[i].list.indexOf(connection.from), connection);
    }
  }));
}

const zeros = (nested) => nested.map((row) => (Array.isArray(row) ? zeros(row) : 0));

function run(q, cost) {
  const dW = zeros(q.W), db = zeros(q.b);
  let loss = 0;
  q.x.forEach((x, n) => {
    const { network, layers } = build(q);
    loss += cost(q.t[n], network.activate(x));
    network.propagate(q.rate, q.t[n]);
    each(layers, (neuron, i, j, k, connection) => { dW[i][j][k] += (q.W[i][j][k] - connection.weight) / q.rate; });
    layers.slice(1).forEach((layer, i) => layer.list.forEach((neuron, j) => { db[i][j] += (q.b[i][j] - neuron.bias) / q.rate; }));
  });
  return { loss, dW, db };
}

// The mean over the examples, where the loss is a mean over the outputs.
function mean(q, { loss, dW, db }) {
  const each = (nested) => nested.map((row) => (Array.isArray(row) ? each(row) : row / q.x.length));
  return { loss: loss / q.x.length, dW: each(dW), db: each(db) };
}

exports.mse = (q) => mean(q, run(q, Trainer.cost.MSE));
exports.crossEntropy = (q) => run(q, Trainer.cost.CROSS_ENTROPY);
exports.half = (q) => run(q, (t, y) => t.reduce((sum, each, i) => sum + 0.5 * (each - y[i]) ** 2, 0));
