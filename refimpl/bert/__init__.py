"""The encoder: weights from safetensors, the textbook forward, and the heads on its last hidden state."""
