const { NeuralNetwork, Tensor } = await import(`${process.env.MODULES}/toygrad/dist/index.js`);
const TYPES = { sigmoid: "sigmoid", relu: "relu", leaky_relu: "leakyrelu" };

function run(q, loss) {
  const layers = [{ type: "input", sx: 1, sy: 1, sz: q.sizes[0] }];
  q.W.forEach((rows, i) => {
    layers.push({ type: "dense", filters: rows.length });
    if (q.functions[i] !== "identity") layers.push({ type: TYPES[q.functions[i]] });
  });
  layers.push({ type: loss });
  const net = new NeuralNetwork({ layers });
  const dense = net.layers.filter((layer) => layer.filters);
  dense.forEach((layer, i) => {
    layer.filters.forEach((filter, j) => filter.w.set(q.W[i][j]));
    layer.biases.w.set(q.b[i]);
  });
  let value = 0;
  q.x.forEach((x, n) => {
    net.forward(new Tensor(1, 1, x.length, new Float32Array(x)), true);
    value += net.backward(q.t[n]);
  });
  return {
    loss: value,
    dW: dense.map((layer) => layer.filters.map((filter) => Array.from(filter.dw))),
    db: dense.map((layer) => Array.from(layer.biases.dw)),
  };
}

export const regression = (q) => run(q, "regression");
export const softmax = (q) => run(q, "softmax");
