"""Loss landscapes: lines and planes, curvature, connectivity, similarity, sharpness."""
