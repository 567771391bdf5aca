"""The network in PyTorch, the stages of its training, and its weights as a GGUF pair and back."""
