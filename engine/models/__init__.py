"""Networks: built-in builders, users' model files, the model artifact and how it is loaded."""
