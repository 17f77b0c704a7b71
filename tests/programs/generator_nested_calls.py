"""What runs between two yields hangs on that part."""


def helper(n):
    return len("x" * n)


def numbers():
    helper(1)
    yield 1
    helper(2)
    yield from ()
    helper(3)


list(numbers())

# expect:
# <module> {
#   numbers ~ { helper { builtins.len } }
#   ^numbers { helper x2 { builtins.len } }
# }
