"""A generator that is resumed while it runs raises, and no call is made of it."""


def selfish():
    try:
        next(me)
    except ValueError:
        yield 1


me = selfish()
next(me)

# expect:
# <module> {
#   builtins.next { selfish ~ { builtins.next !? } }
# }
