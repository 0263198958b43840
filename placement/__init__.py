"""Gates: which node each held pod gets, how long it waits for one, and what becomes of its nomination."""
