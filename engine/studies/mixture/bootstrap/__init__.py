"""Resampling: Spectral-BootEM, BootSpectral, bagged EM, stability."""
