"""Checks of a program that need no plain form, as rows of one table."""

from .table import CHECKS, NAMES, Row, checked

__all__ = ["CHECKS", "NAMES", "Row", "checked"]
