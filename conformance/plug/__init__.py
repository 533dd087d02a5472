"""How a backward pass is plugged in: the contract it is held to, the doors, ready-made subjects."""
