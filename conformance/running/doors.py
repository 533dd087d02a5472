"""The doors that a file to start from can be written for."""

COMMAND = "command"
# door: the name of what is verified in the file, and what the door is for
DOORS = {
    "function": ("backprop", "a function that returns the loss and the gradients"),
    "layers": ("mine", "layer classes with forward and backward"),
    "step": ("mine", "a class that trains in place, or a training step"),
    COMMAND: ("", "a program in another language, asked line by line"),
}
