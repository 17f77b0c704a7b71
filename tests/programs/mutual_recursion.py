"""Two functions that call each other nest in turn."""


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


even(3)
odd(2)

# expect:
# <module> {
#   even { odd { even { odd } } }
#   odd { even { odd } }
# }
