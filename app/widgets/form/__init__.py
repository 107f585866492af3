"""Forms made from config classes: one field, one editor."""

from app.widgets.form.config_form import ConfigForm, FormInvalid

__all__ = ["ConfigForm", "FormInvalid"]
