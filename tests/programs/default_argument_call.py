"""Defaults are evaluated once, where the function is made."""


def default():
    return len("x")


def f(a=default(), *, b=default()):
    return a


f()
f(1)

# expect:
# <module> { default x2 { builtins.len } f x2 }
