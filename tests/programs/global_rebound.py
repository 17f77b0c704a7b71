"""A global that named a Python function and then a C function."""


def work(x):
    return x


def caller():
    return work(-1)


caller()
work = abs
caller()
caller()

# options: --exact
# expect:
# <module> { caller { work } caller x2 { builtins.abs } }
