const FNN = require("ml-fnn");
const { Matrix } = require("ml-matrix");
const NAMES = { tanh: "tanh", sigmoid: "logistic", softplus: "softplus", relu: "relu" };

function run(q, tell) {
  const activation = NAMES[q.functions[0]];
  const net = new FNN({ hiddenLayers: q.sizes.slice(1, -1), activation, learningRate: 1, regularization: 1e-300 });
  if (tell) net.activation = activation;
  const labels = q.t.map((row) => row.indexOf(1));
  net.buildNetwork(q.sizes[0], q.sizes.at(-1));
  net.dicts = { inputs: Object.fromEntries(q.t[0].map((_, i) => [i, i])), outputs: {} };
  net.model.forEach((layer, i) => {
    layer.W = new Matrix(q.W[i]).transpose();
    layer.b = Matrix.rowVector(q.b[i]);
    layer.update = () => {};
  });
  const x = new Matrix(q.x);
  const p = net.propagate(x);
  const loss = -labels.reduce((sum, label, n) => sum + Math.log(p.get(n, label)), 0);
  net.backpropagation(x, labels, p);
  return {
    loss,
    dW: net.model.map((layer) => layer.dW.transpose().to2DArray()),
    db: net.model.map((layer) => layer.db.to1DArray()),
  };
}

exports.run = (q) => run(q, false);
exports.told = (q) => run(q, true);
