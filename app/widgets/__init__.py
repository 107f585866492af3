"""The widgets that every tab is composed of."""
