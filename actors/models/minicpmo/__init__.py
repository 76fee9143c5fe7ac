"""The ChatTTS of MiniCPM-o 2.6: text in a region of fixed length, shown to the audio bit by bit."""
