const { FullyConnLayer, SigmoidLayer, TanhLayer, ReluLayer, RegressionLayer, SoftmaxLayer, Vol } = require("convnetjs");
const LAYERS = { sigmoid: SigmoidLayer, tanh: TanhLayer, relu: ReluLayer };

function build(q, Loss) {
  const stack = [], dense = [];
  q.W.forEach((rows, i) => {
    const layer = new FullyConnLayer({ num_neurons: rows.length, in_sx: 1, in_sy: 1, in_depth: q.sizes[i] });
    rows.forEach((row, j) => row.forEach((w, k) => { layer.filters[j].w[k] = w; }));
    q.b[i].forEach((b, j) => { layer.biases.w[j] = b; });
    dense.push(layer);
    stack.push(layer);
    const shape = { in_sx: 1, in_sy: 1, in_depth: rows.length };
    if (q.functions[i] !== "identity") stack.push(new LAYERS[q.functions[i]](shape));
  });
  stack.push(new Loss({ in_sx: 1, in_sy: 1, in_depth: q.sizes.at(-1) }));
  return { stack, dense };
}

function run(q, Loss) {
  const { stack, dense } = build(q, Loss);
  let loss = 0;
  q.x.forEach((x, n) => {
    let v = new Vol(1, 1, x.length, 0);
    x.forEach((value, k) => { v.w[k] = value; });
    for (const layer of stack) v = layer.forward(v, true);
    loss += stack.at(-1).backward(q.t[n]);
    stack.slice(0, -1).reverse().forEach((layer) => layer.backward());
  });
  return { loss, dW: dense.map((l) => l.filters.map((f) => Array.from(f.dw))), db: dense.map((l) => Array.from(l.biases.dw)) };
}

exports.regression = (q) => run(q, RegressionLayer);
exports.softmax = (q) => run(q, SoftmaxLayer);
