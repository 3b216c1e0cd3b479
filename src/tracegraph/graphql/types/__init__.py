"""The schema's types, inputs, enums and scalars."""
