"""PyTorch: a program asked, its plain form differentiated, perturbed and mutated.
"""
