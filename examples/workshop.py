"""A workshop that makes an index of a library, slower than it should be.

    marey run -o t.marey examples/workshop.py
    marey view t.marey

Four stages, each with something to see on a time line:

1. `write_library` writes a few hundred books: one thread, many small calls.
2. `bind` indexes them: worker threads take books from a queue, fetch them (now and
   then a shelf is locked, an exception is raised and the fetch repeated), pull words
   from a generator and file them under a lock.
3. `open_desk` answers readers in asyncio tasks, which take turns on one thread.
4. `survey` walks the tree of all words with a recursive generator.

At the end it says what it did, the same on every run. It does not say that for a while
three of the four binders stand still. Nor does a profile: there, the function to blame
is called once a book and looks tame on average. Look at its slowest call, at what the
other threads do meanwhile, and then at the book.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

BINDERS = 4
READERS = 60
SYLLABLES = [a + b for a, b in zip("bcdfghklmnprstvz", "aoeiouaeiouaeioa", strict=True)]


class ShelfLockedError(Exception):
    """The shelf is locked at the moment; ask again."""


@dataclass
class Book:
    """A title and its text."""

    title: str
    text: str


# 1. Writing


class Author:
    """Writes books of made-up words; the same seed gives the same books."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.vocabulary = [self.word() for _ in range(600)]

    def word(self) -> str:
        return "".join(self.dice.choices(SYLLABLES, k=self.dice.randint(1, 4)))

    def sentence(self) -> str:
        # A product of two dice makes some words common and most of them rare.
        count = len(self.vocabulary)
        places = [
            int(self.dice.random() * self.dice.random() * count) for _ in range(9)
        ]
        return " ".join(self.vocabulary[place] for place in places).capitalize() + "."

    def novel(self, number: int) -> Book:
        lines = [self.sentence() for _ in range(self.dice.randint(8, 16))]
        return Book(f"Novel {number}", "\n".join(lines))

    def dictionary(self) -> Book:
        """Every word there is, once."""
        words = (a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES)
        return Book("Dictionary", "\n".join(words))


def write_library(count: int) -> list[Book]:
    """`count` books; all but one are novels."""
    author = Author(seed=1882)
    books = [author.novel(number) for number in range(1, count)]
    books.insert(count // 2, author.dictionary())
    return books


# 2. Binding


class Shelf:
    """Hands books out. The first who asks for a seventh book finds it locked."""

    def __init__(self, books: list[Book]) -> None:
        self.books = books
        self.unlocked: set[int] = set()

    def fetch(self, number: int) -> Book:
        if number % 7 == 3 and number not in self.unlocked:
            self.unlocked.add(number)
            raise ShelfLockedError(number)
        return self.books[number]


@dataclass
class Index:
    """Which words stand in which books, and how often."""

    places: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    fetched_again: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def file(self, book: Book) -> None:
        """Enters a book. The index is shared, so binders take turns at it."""
        words = list(tokens(book.text))
        with self.lock:
            self.counts.update(words)
            for word in distinct(words):
                self.places.setdefault(word, []).append(book.title)

    def note_retry(self) -> None:
        with self.lock:
            self.fetched_again += 1


def tokens(text: str) -> Iterator[str]:
    """The words of a text, one by one, in lower case and without marks."""
    for line in text.splitlines():
        for word in line.split():
            yield normalized(word)


def normalized(word: str) -> str:
    return word.strip(".,;").lower()


def distinct(words: Iterable[str]) -> list[str]:
    """Each word once, in the order of first appearance."""
    seen: list[str] = []
    for word in words:
        if word not in seen:
            seen.append(word)
    return seen


def fetch_patiently(shelf: Shelf, number: int, index: Index) -> Book:
    """Asks until the shelf is open."""
    while True:
        try:
            return shelf.fetch(number)
        except ShelfLockedError:
            index.note_retry()


def work(orders: queue.SimpleQueue[int | None], shelf: Shelf, index: Index) -> None:
    """What a binder does all day; None sends it home."""
    while (number := orders.get()) is not None:
        index.file(fetch_patiently(shelf, number, index))


def bind(books: list[Book]) -> Index:
    """Indexes the books with a few threads."""
    orders: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    for number in range(len(books)):
        orders.put(number)
    shelf, index = Shelf(books), Index()
    binders = [
        threading.Thread(target=work, args=(orders, shelf, index), name=f"binder-{n}")
        for n in range(1, BINDERS + 1)
    ]
    for binder in binders:
        binder.start()
        orders.put(None)
    for binder in binders:
        binder.join()
    return index


# 3. Answering


async def look_up(index: Index, word: str) -> int:
    """The number of books with this word; the walk to the card box takes a moment."""
    await asyncio.sleep(0)
    return len(index.places.get(word, ()))


async def read(index: Index, seat: asyncio.Semaphore, words: list[str]) -> int:
    """A reader sits down and asks for some words, each once the last is answered."""
    async with seat:
        return sum([await look_up(index, word) for word in words])


async def open_desk(index: Index) -> int:
    """Many readers, few seats; returns how many cards were shown."""
    seat = asyncio.Semaphore(8)
    vocabulary = sorted(index.places)
    async with asyncio.TaskGroup() as group:
        readers = [
            group.create_task(read(index, seat, vocabulary[n::READERS][:40]))
            for n in range(READERS)
        ]
    return sum(reader.result() for reader in readers)


# 4. Surveying


class Branch:
    """A tree of words that share their beginnings."""

    def __init__(self) -> None:
        self.branches: dict[str, Branch] = {}
        self.ends_word = False

    def add(self, word: str) -> None:
        if word:
            self.branches.setdefault(word[:1], Branch()).add(word[1:])
        else:
            self.ends_word = True

    def words(self, beginning: str = "") -> Iterator[str]:
        if self.ends_word:
            yield beginning
        for letter, branch in sorted(self.branches.items()):
            yield from branch.words(beginning + letter)


def survey(index: Index) -> tuple[int, str]:
    """How many words there are, and which of the longest comes first."""
    root = Branch()
    for word in index.places:
        root.add(word)
    words = list(root.words())
    return len(words), max(words, key=len)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes an index of a library.")
    parser.add_argument(
        "--scale",
        type=int,
        default=1,
        help="times as many books; 40 makes some ten million calls",
    )
    scale = parser.parse_args().scale

    books = write_library(240 * scale)
    index = bind(books)
    cards = asyncio.run(open_desk(index))
    word_count, longest = survey(index)

    common = ", ".join(word for word, _ in index.counts.most_common(3))
    print(f"{len(books)} books with {index.counts.total():,} words")
    print(f"{index.fetched_again} had to be fetched again")
    print(f"{word_count:,} different words; {common} are the most common")
    print(f"{READERS} readers were shown {cards:,} cards; the longest word: {longest}")


if __name__ == "__main__":
    main()
