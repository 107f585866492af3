"""What the window stands on: theme, text, icons, actions and the reporter of errors."""
