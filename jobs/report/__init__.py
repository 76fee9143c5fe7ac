"""`speechmill report`: one HTML page that shows an output, and a server that plays all of its clips."""
