"""Small binary packing for cursors: variable-length integers, texts, and UUIDs in their 16 bytes."""

from __future__ import annotations

import re
import uuid

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Packer:
    """Appends values; `bytes(packer.data)` is the result."""

    def __init__(self) -> None:
        self.data = bytearray()

    def unsigned(self, number: int) -> None:
        """A number from 0 on, seven bits a byte."""
        while number > 0x7F:
            self.data.append(number & 0x7F | 0x80)
            number >>= 7
        self.data.append(number)

    def signed(self, number: int) -> None:
        """Any integer."""
        self.unsigned(number << 1 if number >= 0 else (-number << 1) - 1)

    def text(self, text: str) -> None:
        """A text; a UUID in its usual spelling takes 17 bytes."""
        if len(text) == 36 and _UUID.fullmatch(text):
            self.data.append(0)
            self.data += uuid.UUID(text).bytes
            return
        encoded = text.encode("utf-8", "surrogatepass")
        self.unsigned(len(encoded) + 1)
        self.data += encoded


class Unpacker:
    """Takes the values again, in their order. Raises ValueError when the data is not what was packed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def unsigned(self) -> int:
        """A number from 0 on, of at most 70 bits."""
        number = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError("a number is too long")

    def signed(self) -> int:
        """Any integer."""
        number = self.unsigned()
        return number >> 1 if number & 1 == 0 else -((number + 1) >> 1)

    def text(self) -> str:
        """A text."""
        length = self.unsigned()
        if length == 0:
            return str(uuid.UUID(bytes=self.take(16)))
        return self.take(length - 1).decode("utf-8", "surrogatepass")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise ValueError("the data ends early")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    @property
    def at_end(self) -> bool:
        """Whether all was taken."""
        return self._at == len(self._data)
