"""The decorator for value objects: frozen for the type checker, and cheap to create in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as value_object
else:
    from dataclasses import dataclass

    def value_object(*, frozen: bool, slots: bool) -> Any:
        """Return a dataclass that is frozen for the type checker only.

        A dataclass that is frozen at run time uses object.__setattr__: a page takes 1 us instead of 0.3.
        """
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["value_object"]
