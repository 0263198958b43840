"""What Stoker knows and how it decides: values and pure functions, no I/O and no clocks."""
