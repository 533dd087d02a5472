// SPDX-License-Identifier: MIT-0. A network of one's own: dense layers, tanh between them, the sum of squared errors.
const rows = ({ shape: [m, n], data }) => (n === undefined ? data
  : Array.from({ length: m }, (_, i) => data.slice(i * n, (i + 1) * n)));
const product = (A, B) => A.map((row) => B[0].map((_, j) => row.reduce((sum, v, k) => sum + v * B[k][j], 0)));
const transposed = (A) => A[0].map((_, j) => A.map((row) => row[j]));

export function gradients({ network, parameters, inputs, targets }) {
  const dense = [...network.layers.keys()].filter((i) => network.layers[i].kind === "dense");
  const W = dense.map((i) => rows(parameters[`${i}.weight`])), b = dense.map((i) => rows(parameters[`${i}.bias`]));
  const a = [rows(inputs)], t = rows(targets), found = {};
  W.forEach((w, i) => a.push(product(a[i], w).map((row) => row.map((v, j) =>
    (i < W.length - 1 ? Math.tanh(v + b[i][j]) : v + b[i][j])))));
  let delta = a.at(-1).map((row, n) => row.map((v, j) => 2 * (v - t[n][j])));
  const loss = delta.flat().reduce((sum, d) => sum + d * d / 4, 0);
  for (let i = W.length - 1; i >= 0; i--) {
    found[`${dense[i]}.weight`] = product(transposed(a[i]), delta);
    found[`${dense[i]}.bias`] = delta.reduce((sum, row) => sum.map((v, j) => v + row[j]));
    delta = product(delta, transposed(W[i])).map((row, n) => row.map((d, j) => d * (1 - a[i][n][j] ** 2)));
  }
  return { loss, gradients: found };
}
