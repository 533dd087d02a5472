"""The known mistakes before every judge: which of them kills which, and what each one teaches."""
