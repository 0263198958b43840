"""The `stoker` command: it composes the other rooms and holds no logic of its own."""
