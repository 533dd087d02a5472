// A network in Java, to be verified by backproof. SPDX-License-Identifier: MIT-0
import java.io.*; import java.util.*; import java.util.function.*;
public class MyNet {
    static final String HELLO = "'protocol': 1, 'name': 'my net in Java', 'answers': 'gradients', "
        + "'claims': {'hidden': ['tanh', 'relu', 'sigmoid'], 'bias': 'any'}";
    static final Map<String, DoubleUnaryOperator> F = Map.of("identity", x -> x, "tanh", Math::tanh,
        "relu", x -> Math.max(0, x), "sigmoid", x -> 1 / (1 + Math.exp(-x)));
    static final Map<String, DoubleUnaryOperator> SLOPE = Map.of("identity", y -> 1, // f' from f(x)
        "tanh", y -> 1 - y * y, "relu", y -> y > 0 ? 1 : 0, "sigmoid", y -> y * (1 - y));
    static class Layer { double[][] W, b, dW, x, y; double[] db; String f = "identity"; int at; }
    static double backprop(List<Layer> layers, double[][] p, double[][] t, double scale) {
        for (Layer l : layers) { // p: the inputs, then the outputs of each layer
            p = l.y = new double[(l.x = p).length][l.db.length];
            for (int n = 0; n < p.length; n++) for (int j = 0; j < p[n].length; j++) {
                double z = l.b == null ? 0 : l.b[0][j];
                for (int k = 0; k < l.W.length; k++) z += l.x[n][k] * l.W[k][j];
                p[n][j] = F.get(l.f).applyAsDouble(z);
            }
        }
        // --- your own lines: from the outputs p to dW and db; W[k][j] is from input k to unit j -
        double loss = 0, dx[][], delta[][] = new double[p.length][p[0].length];
        for (int n = 0; n < p.length; n++) for (int j = 0; j < p[n].length; j++) {
            loss += scale * (p[n][j] - t[n][j]) * (p[n][j] - t[n][j]);
            delta[n][j] = scale * 2 * (p[n][j] - t[n][j]);
        }
        for (int i = layers.size() - 1; i >= 0; i--, delta = dx) {
            Layer l = layers.get(i);
            dx = new double[p.length][l.W.length];
            for (int n = 0; n < p.length; n++) for (int j = 0; j < l.db.length; j++) {
                double d = delta[n][j] * SLOPE.get(l.f).applyAsDouble(l.y[n][j]);
                l.db[j] += d;
                for (int k = 0; k < l.W.length; k++) l.dW[k][j] += l.x[n][k] * d;
                for (int k = 0; k < l.W.length; k++) dx[n][k] += l.W[k][j] * d;
            }
        }
        return loss; // ---------------------------------------------------------------------------
    }
    static String get(String text, String key, String end) { // what stands behind a key, or null
        String[] parts = text.split('"' + key + "\":[ \\[\"]*", 2);
        return parts.length < 2 ? null : parts[1].split(end, 2)[0];
    }
    static double[][] rows(String line, String name) { // one row, where the array has one axis
        if (get(line, name, "}") == null) return null;
        String[] data = get(line = get(line, name, "}"), "data", "]").split(", *");
        int columns = Integer.parseInt(get(line, "shape", "]").replaceFirst(".*, *", ""));
        double[][] v = new double[data.length / columns][columns];
        for (int k = 0; k < data.length; k++) v[k / columns][k % columns] = Double.valueOf(data[k]);
        return v;
    }
    static String answer(String line) {
        if (!line.contains("\"gradients\"")) return "\"unsupported\": \"gradients only\"";
        List<Layer> net = new ArrayList<>();
        String[] each = get(line, "layers", "]").split("(?<=\\})");
        for (int at = 0; at < each.length; at++) {
            Layer l = each[at].contains("\"units\"") ? new Layer() : net.get(net.size() - 1);
            if (l.W != null) { l.f = get(each[at], "function", "\""); continue; }
            l.W = rows(line, (l.at = at) + ".weight");
            l.b = rows(line, at + ".bias");
            l.dW = new double[l.W.length][(l.db = new double[l.W[0].length]).length];
            net.add(l);
        }
        double[][] x = rows(line, "inputs"), t = rows(line, "targets");
        double mean = get(line, "reduction", "\"").equals("sum") ? 1 : x.length;
        double loss = backprop(net, x, t, Double.parseDouble(get(line, "scale", "[,}]")) / mean);
        StringJoiner all = new StringJoiner(", \"", ", \"gradients\": {\"", "}");
        for (Layer l : net) all.add(l.at + ".weight\": " + Arrays.deepToString(l.dW));
        for (Layer l : net) if (l.b != null) all.add(l.at + ".bias\": " + Arrays.toString(l.db));
        return ("\"loss\": " + loss + all).replaceAll("NaN|-?Infinity", "null");
    }
    public static void main(String[] none) throws IOException {
        PrintStream out = System.out; // the replies; what your lines print goes to stderr
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line, reply; (line = in.readLine()) != null; out.flush()) {
            try { reply = line.contains("\"hello\"") ? HELLO.replace('\'', '"') : answer(line); }
            catch (RuntimeException error) { reply = "\"error\": \"" + error.getClass() + "\""; }
            out.println("{\"id\": " + get(line, "id", "[,}]") + ", " + reply + "}");
        }
    }
}
