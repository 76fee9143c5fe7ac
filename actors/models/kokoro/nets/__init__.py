"""The network of Kokoro-82M in torch, part by part. Knows neither text nor files."""
