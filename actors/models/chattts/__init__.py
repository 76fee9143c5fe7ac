"""ChatTTS in torch: backbone, hidden decoder, vocoder and tokenizer, written from the published shapes."""
