"""Right programs as other people write them: for every piece of backpropagation, many forms of one formula.

A file is a piece. All forms are right to within rounding: none approximates, none overflows where the truth does not.
"""
