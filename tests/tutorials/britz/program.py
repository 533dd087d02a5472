import numpy as np

# Gradient descent parameters (I picked these by hand)
epsilon = 0.01  # learning rate for gradient descent
reg_lambda = 0.01  # regularization strength

# Helper function to initialize the parameters to random values
def init_model(nn_input_dim, nn_hdim, nn_output_dim):
    np.random.seed(0)
    W1 = np.random.randn(nn_input_dim, nn_hdim) / np.sqrt(nn_input_dim)
    b1 = np.zeros((1, nn_hdim))
    W2 = np.random.randn(nn_hdim, nn_output_dim) / np.sqrt(nn_hdim)
    b2 = np.zeros((1, nn_output_dim))
    return {'W1': W1, 'b1': b1, 'W2': W2, 'b2': b2}

def forward(model, X):
    W1, b1, W2, b2 = model['W1'], model['b1'], model['W2'], model['b2']
    z1 = X.dot(W1) + b1
    a1 = np.tanh(z1)
    z2 = a1.dot(W2) + b2
    exp_scores = np.exp(z2)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    return a1, probs

# Total loss on the dataset (a sum over the examples)
def calculate_loss(model, X, y):
    _, probs = forward(model, X)
    data_loss = np.sum(-np.log(probs[range(len(X)), y]))
    # Add regulatization term to loss
    data_loss += reg_lambda/2 * (np.sum(np.square(model['W1'])) + np.sum(np.square(model['W2'])))
    return data_loss

# One pass of batch gradient descent; assigns new parameters to the model
def train_step(model, X, y):
    num_examples = len(X)
    a1, probs = forward(model, X)

    # Backpropagation
    delta3 = probs
    delta3[range(num_examples), y] -= 1
    dW2 = (a1.T).dot(delta3)
    db2 = np.sum(delta3, axis=0, keepdims=True)
    delta2 = delta3.dot(model['W2'].T) * (1 - np.power(a1, 2))
    dW1 = np.dot(X.T, delta2)
    db1 = np.sum(delta2, axis=0)

    # Add regularization terms (b1 and b2 don't have regularization terms)
    dW2 += reg_lambda * model['W2']
    dW1 += reg_lambda * model['W1']

    # Gradient descent parameter update
    model['W1'] += -epsilon * dW1
    model['b1'] += -epsilon * db1
    model['W2'] += -epsilon * dW2
    model['b2'] += -epsilon * db2

if __name__ == "__main__":
    t = np.linspace(0, np.pi, 50)
    X = np.r_[np.c_[np.cos(t), np.sin(t)], np.c_[1 - np.cos(t), 0.5 - np.sin(t)]]
    y = np.r_[np.zeros(50, dtype=int), np.ones(50, dtype=int)]
    model = init_model(2, 4, 2)
    for i in range(5001):
        train_step(model, X, y)
        if i % 1000 == 0:
            print("Loss after iteration %i: %f" % (i, calculate_loss(model, X, y)))
    print("accuracy", np.mean(np.argmax(forward(model, X)[1], axis=1) == y))
