"""Lines of functions in every form; `--log lines:__main__:*` shows what changed."""


class Sly:
    def __repr__(self):
        raise RuntimeError("asked")

    def __eq__(self, other):
        raise RuntimeError("compared")


def plain(a, password):
    total = 0
    items = []
    for line in range(2):
        total += line
        items.append(line)
    del line
    sly = Sly()
    sly.n = 7
    last = 9


def numbers(n):
    k = 0
    while k < n:
        got = yield k
        k += 1


def boom(z):
    y = z
    raise ValueError(y)


def outer():
    c = 1

    def inner():
        nonlocal c
        c += 1

    inner()
    return c


def again(n):
    m = n * 2
    if n:
        again(n - 1)
    m += 1


def others(n):
    m = n
    return m


plain(1, "hunter2")
list(numbers(2))
closed = numbers(3)
next(closed)
closed.close()
try:
    boom(4)
except ValueError:
    pass
outer()
again(1)
others(1)
