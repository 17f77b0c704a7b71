"""Object-oriented code: a post office simulated by many small methods.

Letters go from clerk to clerk through trays. The classes inherit, override and call
super; attributes are set and read all the time; polymorphic calls take turns at one
call site. That is the daily bread of an interpreter.
"""

from __future__ import annotations

from harness import run

LETTERS_PER_ROUND = 60
STREETS = 16


class Dice:
    """Numbers that look random and are the same everywhere."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def throw(self, sides: int) -> int:
        self.state = (self.state * 69069 + 1) & 0xFFFFFFFF
        return (self.state >> 16) % sides


class Letter:
    __slots__ = ("stamped", "stops", "street", "weight")

    def __init__(self, street: int, weight: int) -> None:
        self.street = street
        self.weight = weight
        self.stamped = False
        self.stops = 0

    @property
    def heavy(self) -> bool:
        return self.weight > 40


class Tray:
    """First in, first out."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def put(self, letter: Letter) -> None:
        letter.stops += 1
        self.letters.append(letter)

    def take(self) -> Letter | None:
        return self.letters.pop(0) if self.letters else None

    def is_empty(self) -> bool:
        return not self.letters


class Clerk:
    """Takes a letter out of its tray, works on it and hands it on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tray = Tray()
        self.handled = 0

    def step(self, office: Office) -> bool:
        letter = self.tray.take()
        if letter is None:
            return False
        self.work(letter, office)
        self.handled += 1
        return True

    def work(self, letter: Letter, office: Office) -> None:
        raise NotImplementedError


class Stamper(Clerk):
    def work(self, letter: Letter, office: Office) -> None:
        letter.stamped = True
        office.pass_on(letter, "scale" if letter.heavy else "sorter")


class Scale(Clerk):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.total_weight = 0

    def work(self, letter: Letter, office: Office) -> None:
        self.total_weight += letter.weight
        office.pass_on(letter, self.next_desk(letter))

    def next_desk(self, letter: Letter) -> str:
        return "sorter" if letter.stamped else "stamper"


class ExactScale(Scale):
    """Weighs everything twice, and lightens what it weighs."""

    def work(self, letter: Letter, office: Office) -> None:
        self.total_weight += letter.weight
        letter.weight -= 1
        super().work(letter, office)


class Sorter(Clerk):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.streets = [Tray() for _ in range(STREETS)]

    def work(self, letter: Letter, office: Office) -> None:
        if letter.stamped:
            self.streets[letter.street].put(letter)
            office.delivered += 1
        else:
            office.pass_on(letter, "stamper")


class Office:
    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.delivered = 0
        self.desks: dict[str, Clerk] = {}
        for clerk in (Stamper("stamper"), ExactScale("scale"), Sorter("sorter")):
            self.desks[clerk.name] = clerk

    def accept(self) -> None:
        letter = Letter(self.dice.throw(STREETS), self.dice.throw(100))
        self.pass_on(letter, ("stamper", "scale", "sorter")[self.dice.throw(3)])

    def pass_on(self, letter: Letter, desk: str) -> None:
        self.desks[desk].tray.put(letter)

    def run_until_idle(self) -> None:
        busy = True
        while busy:
            busy = False
            for clerk in self.desks.values():
                if clerk.step(self):
                    busy = True

    def handled(self) -> int:
        return sum(clerk.handled for clerk in self.desks.values())


def main(rounds: int) -> int:
    """A round is a day: letters come in, and none is left over at night."""
    dice = Dice(1830)
    handled = 0
    for _ in range(rounds):
        office = Office(dice)
        for _ in range(LETTERS_PER_ROUND):
            office.accept()
        office.run_until_idle()
        assert office.delivered == LETTERS_PER_ROUND
        handled += office.handled()
    return handled


if __name__ == "__main__":
    run(main, rounds=6000)
