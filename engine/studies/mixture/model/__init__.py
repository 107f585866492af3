"""What a mixture is: families, parameters, priors, coordinates, criteria, agreement."""
