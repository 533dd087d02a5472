/* FANN's own backpropagation, to be verified by backproof. SPDX-License-Identifier: MIT-0 */
#include <doublefann.h>
#include <fann_internal.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define TEXT(...) #__VA_ARGS__
static const char HELLO[] = TEXT("protocol": 1, "name": "FANN", "answers": "gradients",
  "claims": {"hidden": ["identity", "sigmoid", "tanh"], "heads": [
    {"activation": "identity", "loss": "squared_error", "reduction": "sum", "scale": 0.5}]});
#define EACH(i, n) for (int i = 0; i < (n); i++)
/* y = f(x W + b), one example after another; W[k * out + j] leads from input k to unit j */
typedef struct { int at, in, out; double *W, *b, *dW, *db; char f; } Layer;
static void **blocks; /* what was allocated, freed after each request */
static void *zeros(size_t n) { void **b = calloc(n + 1, 8); *b = blocks; return (blocks = b) + 1; }
/* FANN's slopes are sums of (t - y) times its derivatives: -1/2 of the gradient of (y - t)^2. */
static double backprop(Layer *l, int depth, int batch, double *x, double *t, double scale) {
  unsigned sizes[1000] = {l->in}, last = l[depth - 1].out;
  double loss = 0, *y;
  EACH(i, depth) sizes[i + 1] = l[i].out;
  struct fann *ann = fann_create_standard_array(depth + 1, sizes);
  fann_type *w = ann->weights; /* unit by unit: from each input, then the bias */
  fann_set_train_error_function(ann, FANN_ERRORFUNC_LINEAR);
  EACH(i, depth) {
    fann_set_activation_function_layer(ann, l[i].f == 't' ? FANN_SIGMOID_SYMMETRIC
                                       : l[i].f == 's' ? FANN_SIGMOID : FANN_LINEAR, i + 1);
    fann_set_activation_steepness_layer(ann, l[i].f == 's' ? 0.5 : 1, i + 1);
    EACH(j, l[i].out) EACH(k, l[i].in + 1)
      *w++ = k < l[i].in ? l[i].W[k * l[i].out + j] : l[i].b[j];
  }
  fann_clear_train_arrays(ann);
  for (int n = 0; n < batch; n++, x += l->in, t += last) {
    y = fann_run(ann, x);
    EACH(j, (int)last) loss += scale * pow(y[j] - t[j], 2);
    fann_compute_MSE(ann, t), fann_backpropagate_MSE(ann);
    fann_update_slopes_batch(ann, ann->first_layer + 1, ann->last_layer - 1);
  }
  w = ann->train_slopes;
  EACH(i, depth) EACH(j, l[i].out) EACH(k, l[i].in + 1)
    *(k < l[i].in ? l[i].dW + k * l[i].out + j : l[i].db + j) = -2 * scale * *w++;
  return fann_destroy(ann), loss;
}
static char *get(char *p, const char *key, int i) { /* behind "key": or "<i>.key":, or NULL */
  char name[32];
  snprintf(name, sizeof name, i < 0 ? "\"%s\":" : "\"%2$d.%1$s\":", key, i);
  return (p = strstr(p, name)) ? p + strlen(name) + strspn(p + strlen(name), "\": ") : NULL;
}
static double *array(char *line, const char *key, int i, int *rows, int *columns) {
  char *p = (line = get(line, key, i)) ? get(line, "data", -1) : NULL;
  if (!p || sscanf(get(line, "shape", -1), "[%d , %d", rows, columns) < 1) return NULL;
  double *v = zeros(*rows * *columns);
  EACH(k, *rows * *columns) v[k] = strtod(p + strspn(p, "[, \""), &p), p += strcspn(p, ",]");
  return v;
}
static void print(FILE *out, const char *form, int i, int rows, int columns, double *v) {
  fprintf(out, form, i, rows, columns);
  EACH(k, rows * columns) fprintf(out, isfinite(v[k]) ? "%s%.17g" : "%snull", k ? ", " : "", v[k]);
}
static void answer(FILE *out, char *line, Layer *l, Layer *end) { /* from l on all is zero */
  int i = 0, batch, n = 1;
  double *x = array(line, "inputs", -1, &batch, &n), *t = array(line, "targets", -1, &batch, &n);
  for (char *p = line; (p = get(p, "kind", -1)) && (*p == 'd' || *p == 'a'); i++, n = 1) {
    if (*p == 'a') { end[-1].f = *get(p, "function", -1); continue; }
    end->W = array(line, "weight", end->at = i, &end->in, &end->out);
    end->b = array(line, "bias", i, &end->out, &n), end->dW = zeros(end->in * end->out);
    end->db = zeros(end->out), end++;
  }
  double loss = backprop(l, end - l, batch, x, t, atof(get(line, "scale", -1)));
  print(out, "\"loss\": ", 0, 1, 1, &loss), fputs(", \"gradients\": {", out);
  for (Layer *k = l; k < end; fputs(++k < end ? "]}, " : "]}}", out)) {
    print(out, "\"%d.weight\": {\"shape\": [%d, %d], \"data\": [", k->at, k->in, k->out, k->dW);
    if (k->b) print(out, "]}, \"%d.bias\": {\"shape\": [%d], \"data\": [", k->at, k->out, 1, k->db);
  }
}
int main(void) {
  FILE *out = fdopen(dup(1), "w"); /* the replies; what your lines print goes to stderr */
  size_t size = dup2(2, 1) < 0;
  for (char *line = NULL; getline(&line, &size, stdin) > 0; fputs("}\n", out), fflush(out)) {
    char *ask = get(line, "ask", -1);
    Layer *room = zeros(size); /* for more layers than a line can have */
    fprintf(out, "{\"id\": %ld, %s", atol(get(line, "id", -1)), *ask == 'h' ? HELLO
            : *ask == 'g' ? "" : "\"unsupported\": \"gradients only\"");
    if (*ask == 'g') answer(out, line, room, room);
    for (void **b; (b = blocks); free(b)) blocks = *b;
  }
}
