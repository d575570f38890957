"""Text changed at random, by seed: bytes of any file, and fields of lines and rows."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

Mutator = Callable[[bytes, Random], bytes]

PIECES = [
    *(bytes([byte]) for byte in (0, 1, 9, 10, 13, 27, 32, 34, 38, 39, 43, 44, 45, 46, 47, 58, 60, 62, 127, 128, 255)),
    *(
        b"\r\n",
        b"\t\t",
        b'""',
        b"\xc2\x85",
        b"\xc2\xa0",
        b"\xc3\xa9",
        b"\xe2\x80\xa8",
        b"\xef\xbb\xbf",
        b"\xef\xbf\xbd",
    ),
    # Not UTF-8: overlong, a lone surrogate, cut short, beyond the last code point.
    *(b"\xc0\xaf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xe2\x80", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80"),
    *(b"%00", b"%25%32%35", b"%", b"9" * 400, b"0" * 20, b"e999999999", b"-1", b"::", b"1.", b"Z", b"+02:00"),
]


def changed_bytes(text: bytes, chance: Random) -> bytes:
    """Change, take out, put in or repeat some bytes at one place, or cut the text there."""
    place = chance.randrange(len(text) + 1)
    kind = chance.randrange(6)
    if kind == 0 and place < len(text):
        return text[:place] + bytes([text[place] ^ 1 << chance.randrange(8)]) + text[place + 1 :]
    if kind == 1:
        return text[:place] + text[place + _length(chance) :]
    if kind == 2:
        end = place + _length(chance)
        return text[:end] + text[place:end] * chance.choice((1, 1, 2, 9)) + text[end:]
    if kind == 3 and not chance.randrange(4):
        return text[:place]
    if kind == 4:
        return text[:place] + chance.choice(PIECES) + text[place + _length(chance) :]
    return text[:place] + chance.choice(PIECES) + text[place:]


def changed_digit(text: bytes, chance: Random) -> bytes:
    """Put another digit or letter for one that stands there."""
    places = [place for place, byte in enumerate(text) if chr(byte).isalnum()]
    if not places:
        return text
    place = chance.choice(places)
    return text[:place] + chance.choice((b"0", b"1", b"9", b"f", b"A", b"g")) + text[place + 1 :]


def changed_case(text: bytes, chance: Random) -> bytes:
    """Swap upper and lower case of a part."""
    start = chance.randrange(len(text) + 1)
    end = start + _length(chance)
    return text[:start] + text[start:end].swapcase() + text[end:]


def _length(chance: Random) -> int:
    return chance.choice((1, 1, 1, 2, 4, 8, 40))


class Mutations:
    """Lines made of those of a corpus whose fields stand between separators; equal seeds make equal lines."""

    def __init__(
        self,
        corpus: Sequence[bytes],
        separator: bytes,
        seed: int,
        changes: Sequence[int] = (0, 1, 1, 1, 1, 2, 3, 8),
    ) -> None:
        self.corpus = corpus
        self.changes = changes
        self.separator = separator
        self.chance = Random(seed)
        rows = [line.split(separator) for line in corpus]
        self.fields = [
            list(dict.fromkeys(row[place] for row in rows if place < len(row))) for place in range(max(map(len, rows)))
        ]
        self.mutators: tuple[Mutator, ...] = (
            *(self._other_value,) * 8,
            changed_bytes,
            changed_bytes,
            changed_digit,
            changed_case,
            self._moved_field,
            self._other_separator,
            self._spliced,
        )

    def lines(self, count: int) -> Iterator[bytes]:
        """Yield that many lines; a few hold line feeds, so that more come out of them."""
        chance = self.chance
        for _ in range(count):
            line = chance.choice(self.corpus)
            for _ in range(chance.choice(self.changes)):
                line = chance.choice(self.mutators)(line, chance)
            yield line

    def _other_value(self, line: bytes, chance: Random) -> bytes:
        """Take a field from another line of the corpus, or empty it."""
        fields = line.split(self.separator)
        place = chance.randrange(len(fields))
        known = self.fields[min(place, len(self.fields) - 1)]
        fields[place] = b"" if not chance.randrange(20) else chance.choice(known)
        return self.separator.join(fields)

    def _moved_field(self, line: bytes, chance: Random) -> bytes:
        """Drop or double a field, or swap two."""
        fields = line.split(self.separator)
        place, other = chance.randrange(len(fields)), chance.randrange(len(fields))
        kind = chance.randrange(3)
        if kind == 0:
            del fields[place]
        elif kind == 1:
            fields.insert(other, fields[place])
        else:
            fields[place], fields[other] = fields[other], fields[place]
        return self.separator.join(fields)

    def _other_separator(self, line: bytes, chance: Random) -> bytes:
        """Put something else for one separator, or for all of them."""
        places = [0] if self.separator not in line else range(line.count(self.separator))
        other = chance.choice((b" ", b"\t", b",", b";", b"|", b"\t\t", b"\\t", b"", b"\n"))
        if not chance.randrange(5):
            return line.replace(self.separator, other)
        before = self.separator.join(line.split(self.separator)[: chance.choice(places) + 1])
        return before + other + line[len(before) + len(self.separator) :]

    def _spliced(self, line: bytes, chance: Random) -> bytes:
        """Go on with the rest of another line."""
        other = chance.choice(self.corpus)
        return line[: chance.randrange(len(line) + 1)] + other[chance.randrange(len(other) + 1) :]
