"""An assignment to x in every syntactic form; `--log var:x` shows each once."""
import asyncio, contextlib, sys
import os as x
x = 1
x += 1
x: int = 3
x, y = 4, 5
(x, *y) = [6, 7, 8]
[y, *x] = [1, 7, 8]
a = x = b = 9
for x in (10, 11):
    pass
with contextlib.nullcontext(12) as x:
    pass
try:
    raise ValueError(13)
except ValueError as x:
    pass
if (x := 14):
    pass
x = None; del x
def params(x, *, k=1):
    x = x + 1
    return x
params(15)
def var(*x): return x
var(17)
def kw(**x): return x
kw(v=18)
def pos(x, /): return lambda: x
pos(19)()
def outer():
    x = 20
    def inner():
        nonlocal x
        x = 21
    inner()
    return x
outer()
def glob():
    global x
    x = 22
glob()
def comp():
    x = 23
    r = [x for x in (24, 25)]
    s = {x: x for x in (26,)}
    t = {y for y in (1,) if (x := 27)}
    u = list(x for x in (28,))
    return x, r
comp()
def comp_unbound():
    return [x for x in (29,)]
comp_unbound()
def match_it(v):
    match v:
        case [1, x]: pass
        case {"k": x}: pass
        case int(x): pass
        case {"a": 1, **x}: pass
    return x
match_it([1, 30]); match_it({"k": 31}); match_it(32); match_it({"a": 1, "b": 33})
def gen():
    x = yield 34
    yield x
g = gen(); next(g); g.send(35); g.close()
async def agen():
    yield 36
async def amain():
    async for x in agen():
        pass
    async with contextlib.AsyncExitStack() as x:
        pass
    x = await asyncio.sleep(0, 37)
asyncio.run(amain())
class K:
    x = 38
    def m(self, x): self.x = x
K().m(39)
def imp():
    import math as x
    from math import pi as x
    return x
imp()
def fdef():
    def x(): pass
    class x: pass
fdef()
exec("x = 40")
exec("x = 41", {}, {})
def loop():
    x = 0
    while x < 3:
        x += 1
loop()
def swap():
    x, y = 42, 43
    x, y = y, x
    return x
swap()
def star():
    try:
        raise ExceptionGroup("g", [ValueError(44)])
    except* ValueError as x:
        pass
star()
def fin():
    try:
        1/0
    except ZeroDivisionError as x:
        x = 45
    finally:
        x = 46
fin()
lam = (lambda x: x)(47)
def dels():
    x = None
    del x
dels()
def nested():
    return [[x for x in (48,)] for x in (49,)]
nested()
def chained():
    q = [x for x in (50,)]; x = 51; z = x
    return q, z
chained()
print("done", file=sys.stderr)
print("out")
