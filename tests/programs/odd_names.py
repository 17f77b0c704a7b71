"""Names are kept as they are."""


def größe():
    pass


def renamed():
    pass


def made():
    pass


größe()
renamed.__qualname__ = "only the function knows"
renamed()
made.__code__ = made.__code__.replace(co_name="odd", co_qualname="an odd.name {x} 中文")
made()

# expect:
# <module> {
#   größe
#   renamed
#   code.replace
#   "an odd.name {x} 中文"
# }
