"""A hundred thousand calls, many on one clock tick, keep their order and their nesting."""


def empty():
    pass


def pair():
    empty()
    empty()


for _ in range(25_000):
    pair()
for _ in range(25_000):
    empty()

# expect:
# <module> { pair x25000 { empty x2 } empty x25000 }
