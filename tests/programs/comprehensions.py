"""Comprehensions are inlined from 3.12 on, and frames of their own before."""


def f(x):
    return x


def work():
    [f(x) for x in (1, 2)]
    {f(x) for x in (1, 2)}
    {f(x): 1 for x in (1, 2)}


work()
[[f(y) for y in (x,)] for x in (1, 2)]

# expect:
# <module> {
#   work {
#     %<3.12 work.<locals>.<listcomp> { f x2 }
#     %<3.12 work.<locals>.<setcomp> { f x2 }
#     %<3.12 work.<locals>.<dictcomp> { f x2 }
#   }
#   %<3.12 <listcomp> {
#     %<3.12 <listcomp>.<listcomp> { f }
#     %<3.12 <listcomp>.<listcomp> { f }
#   }
# }
