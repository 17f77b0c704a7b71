"""Each level of a recursion is a call inside the one before."""


def factorial(n):
    return n * factorial(n - 1) if n else 1


factorial(4)

# expect:
# <module> {
#   factorial {
#     factorial { factorial { factorial { factorial } } }
#   }
# }
