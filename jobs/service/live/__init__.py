"""Speech over a WebSocket: text in while audio goes out."""
