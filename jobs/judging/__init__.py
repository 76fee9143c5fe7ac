"""`speechmill judge`: a speech corpus that exists is heard, ours or made elsewhere, and what failed is listed."""
