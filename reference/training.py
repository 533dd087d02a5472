"""How is the bias updated? (placeholder)"""
from collections.abc import Callable
Update = Callable
UPDATES: dict = {}
