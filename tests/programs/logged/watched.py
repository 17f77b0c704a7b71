"""What `marey.watch()` logs: variables and attributes, each time they change."""
import marey


class Machine:
    def __init__(self):
        self.state = "idle"

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)

    def run(self):
        with marey.watch("self.state"):
            self.state = "a"
            change(self, "b")
            self.state = "b"
            change(Machine(), "another's")
        self.state = "unseen"


def change(machine, state):
    machine.state = state


def local():
    x = 1
    watch = marey.watch("x", when=lambda value: value % 2 == 0)
    for x in range(6):
        pass
    watch.stop()
    watch.stop()
    x = 100


def until_its_end(number):
    y = number
    if number == 1:
        marey.watch("y")
        y = 11
        raise ValueError
    y = 12


def shared():
    c = 1

    def more():
        nonlocal c
        c += 1

    with marey.watch("c"):
        more()
        c = 10


total = 5


def grow():
    global total
    total += 1


def failing():
    q = 1
    with marey.watch("q", when=lambda value: value.nothing):
        q = 2
        q = 3


def stops_itself(box):
    with marey.watch("box.n", when=lambda value: watches[0].stop() or True) as watch:
        watches.append(watch)
        box.n = 1
        box.n = 2


def hidden():
    with marey.watch("password"):
        password = "hunter2"
    return len(password)


watches = []
Machine().run()
local()
for number in (1, 2):
    try:
        until_its_end(number)
    except ValueError:
        pass
shared()
with marey.watch("total"):
    grow()
    total = 8
    total = 8
grow()
failing()
stops_itself(change)
hidden()
marey.watch("nothing.at.all").stop()
