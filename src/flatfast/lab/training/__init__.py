"""What problems are made of: networks, label noise, noise-free descent, curvature."""
