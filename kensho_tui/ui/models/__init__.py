"""The screens and dialogs about models. Imported when one is asked for, not when the app starts."""
