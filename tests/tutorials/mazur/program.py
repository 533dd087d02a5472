import math
import random


class NeuralNetwork:
    LEARNING_RATE = 0.5

    def __init__(self, num_inputs, num_hidden, num_outputs, hidden_layer_weights=None,
                 hidden_layer_bias=None, output_layer_weights=None, output_layer_bias=None):
        self.num_inputs = num_inputs
        self.hidden_layer = NeuronLayer(num_hidden, hidden_layer_bias)
        self.output_layer = NeuronLayer(num_outputs, output_layer_bias)
        self.init_weights(self.hidden_layer, num_inputs, hidden_layer_weights)
        self.init_weights(self.output_layer, num_hidden, output_layer_weights)

    def init_weights(self, layer, num_inputs, weights):
        weight_num = 0
        for neuron in layer.neurons:
            for i in range(num_inputs):
                neuron.weights.append(weights[weight_num] if weights else random.random())
                weight_num += 1

    def feed_forward(self, inputs):
        return self.output_layer.feed_forward(self.hidden_layer.feed_forward(inputs))

    # Uses online learning, ie updating the weights after each training case
    def train(self, training_inputs, training_outputs):
        self.feed_forward(training_inputs)

        # 1. Output neuron deltas: dE/dz_j
        output_deltas = [neuron.calculate_pd_error_wrt_total_net_input(training_outputs[o])
                         for o, neuron in enumerate(self.output_layer.neurons)]

        # 2. Hidden neuron deltas: dE/dz_h = sum dE/dz_o * w_ho * dy_h/dz_h
        hidden_deltas = []
        for h, neuron in enumerate(self.hidden_layer.neurons):
            d_error = 0
            for o, output_neuron in enumerate(self.output_layer.neurons):
                d_error += output_deltas[o] * output_neuron.weights[h]
            hidden_deltas.append(d_error * neuron.calculate_pd_total_net_input_wrt_input())

        # 3. Update output neuron weights, 4. update hidden neuron weights
        self.output_layer.update(output_deltas, self.LEARNING_RATE)
        self.hidden_layer.update(hidden_deltas, self.LEARNING_RATE)

    def calculate_total_error(self, training_sets):
        total_error = 0
        for inputs, targets in training_sets:
            for output, target in zip(self.feed_forward(inputs), targets):
                total_error += 0.5 * (target - output) ** 2
        return total_error


class NeuronLayer:
    def __init__(self, num_neurons, bias):
        # Every neuron in a layer shares the same bias
        self.bias = bias if bias is not None else random.random()
        self.neurons = [Neuron(self.bias) for _ in range(num_neurons)]

    def feed_forward(self, inputs):
        return [neuron.calculate_output(inputs) for neuron in self.neurons]

    def update(self, deltas, rate):
        for neuron, delta in zip(self.neurons, deltas):
            for i in range(len(neuron.weights)):
                neuron.weights[i] -= rate * delta * neuron.inputs[i]
        self.bias -= rate * sum(deltas)
        for neuron in self.neurons:
            neuron.bias = self.bias


class Neuron:
    def __init__(self, bias):
        self.bias = bias
        self.weights = []

    def calculate_output(self, inputs):
        self.inputs = inputs
        net = sum(x * w for x, w in zip(inputs, self.weights)) + self.bias
        self.output = 1 / (1 + math.exp(-net))
        return self.output

    def calculate_pd_error_wrt_total_net_input(self, target_output):
        return -(target_output - self.output) * self.calculate_pd_total_net_input_wrt_input()

    def calculate_pd_total_net_input_wrt_input(self):
        return self.output * (1 - self.output)


if __name__ == "__main__":
    nn = NeuralNetwork(2, 2, 2, hidden_layer_weights=[0.15, 0.2, 0.25, 0.3], hidden_layer_bias=0.35,
                       output_layer_weights=[0.4, 0.45, 0.5, 0.55], output_layer_bias=0.6)
    for i in range(10000):
        nn.train([0.05, 0.1], [0.01, 0.99])
    print(i, round(nn.calculate_total_error([[[0.05, 0.1], [0.01, 0.99]]]), 9))
