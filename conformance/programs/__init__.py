"""Programs: an operation of torch or JAX beside its plain form, with a tolerance that is computed.
"""
