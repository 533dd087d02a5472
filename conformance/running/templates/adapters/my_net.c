/* A network in C, to be verified by backproof. SPDX-License-Identifier: MIT-0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define TEXT(...) #__VA_ARGS__
static const char HELLO[] = TEXT("protocol": 1, "name": "my net in C", "answers": "gradients",
  "claims": {"hidden": ["tanh", "relu", "sigmoid"], "bias": "any"});
#define EACH(i, n) for (int i = 0; i < (n); i++)
#define F(f, x) (f == 't' ? tanh(x) : f == 's' ? 1 / (1 + exp(-x)) : f == 'r' && x < 0 ? 0 : x)
#define SLOPE(f, y) (f == 't' ? 1 - y * y : f == 's' ? y * (1 - y) : f == 'r' ? y > 0 : 1.0)
/* y = f(x W + b), one example after another; W[k * out + j] leads from input k to unit j */
typedef struct { int at, in, out; double *W, *b, *dW, *db, *x, *y, *dx; char f; } Layer;
static void **blocks; /* what was allocated, freed after each request */
static void *zeros(size_t n) { void **b = calloc(n + 1, 8); *b = blocks; return (blocks = b) + 1; }
static double backprop(Layer *first, Layer *end, int batch, double *t, double scale) {
  double loss = 0, *p = NULL, *delta = zeros(batch * end[-1].out); /* the loss: squared errors */
  for (Layer *l = first; l < end; l[1].x = p = l->y, l++) EACH(n, batch) EACH(j, l->out) {
    double z = l->b ? l->b[j] : 0;
    EACH(k, l->in) z += l->x[n * l->in + k] * l->W[k * l->out + j];
    l->y[n * l->out + j] = F(l->f, z);
  }
  /* --- your own lines: from the outputs p back to dW and db --------------------------------- */
  EACH(k, batch * end[-1].out) loss += scale * (p[k] - t[k]) * (p[k] - t[k]);
  EACH(k, batch * end[-1].out) delta[k] = scale * 2 * (p[k] - t[k]);
  for (Layer *l = end - 1; l >= first; delta = l->dx, l--) EACH(n, batch) EACH(j, l->out) {
    double y = l->y[n * l->out + j], d = delta[n * l->out + j] * SLOPE(l->f, y);
    l->db[j] += d;
    EACH(k, l->in) l->dW[k * l->out + j] += l->x[n * l->in + k] * d;
    EACH(k, l->in) l->dx[n * l->in + k] += l->W[k * l->out + j] * d;
  }
  return loss; /* ----------------------------------------------------------------------------- */
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
    end->W = array(line, "weight", end->at = i, &end->in, &end->out), end->x = x;
    end->b = array(line, "bias", i, &end->out, &n), end->dx = zeros(batch * end->in);
    end->dW = zeros(end->in * end->out), end->db = zeros(end->out);
    end->y = zeros(batch * end->out), end++;
  }
  double mean = *get(line, "reduction", -1) == 'm' ? batch : 1;
  double loss = backprop(l, end, batch, t, atof(get(line, "scale", -1)) / mean);
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
