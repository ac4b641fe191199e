"""The encoder: weights from safetensors, the textbook forward, and what is read off its last hidden state."""
