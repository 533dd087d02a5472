// Deltas have the sign of target - output; a weight's change is rate * delta * incoming.
const { NeuralNetwork } = require("brain.js");
const NAMES = { sigmoid: "sigmoid", tanh: "tanh", relu: "relu", leaky_relu: "leaky-relu" };
const zeros = (nested) => nested.map((row) => (Array.isArray(row) ? zeros(row) : 0));

function run(q, cost) {
  const net = new NeuralNetwork({ activation: NAMES[q.functions[0]] });
  net.sizes = q.sizes;
  net.initialize();
  q.W.forEach((rows, i) => { net.weights[i + 1] = rows; net.biases[i + 1] = q.b[i]; });
  const dW = zeros(q.W), db = zeros(q.b);
  let loss = 0;
  q.x.forEach((x, n) => {
    net.runInput(x);
    net.calculateDeltas(q.t[n]);
    loss += cost(net.errors[net.outputLayer]);
    q.W.forEach((rows, i) => rows.forEach((row, j) => {
      db[i][j] -= net.deltas[i + 1][j];
      row.forEach((_, k) => { dW[i][j][k] -= net.deltas[i + 1][j] * net.outputs[i][k]; });
    }));
  });
  return { loss, dW, db };
}

// The mean over the examples, where the loss is a mean over the outputs.
function mean(q, { loss, dW, db }) {
  const each = (nested) => nested.map((row) => (Array.isArray(row) ? each(row) : row / q.x.length));
  return { loss: loss / q.x.length, dW: each(dW), db: each(db) };
}

exports.mse = (q) => mean(q, run(q, (errors) => errors.reduce((sum, e) => sum + e * e, 0) / errors.length));
exports.half = (q) => run(q, (errors) => errors.reduce((sum, e) => sum + 0.5 * e * e, 0));
