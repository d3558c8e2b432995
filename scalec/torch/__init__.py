"""What needs torch: emitted code as modules, measurements of real training, their comparison with the calculus."""
