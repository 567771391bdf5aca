"""The judge: questions about one image, what follows from the answers, and the loop over many."""
