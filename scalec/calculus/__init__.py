"""Abstract interpretation of training on orders of magnitude: forward pass, backward pass, optimizer step."""
