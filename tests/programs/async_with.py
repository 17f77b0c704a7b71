"""__aenter__ and __aexit__ are awaited calls."""


class Block:
    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, value, traceback):
        return True


async def work():
    async with Block():
        raise KeyError


try:
    work().send(None)
except StopIteration:
    pass

# expect:
# <module> {
#   builtins.__build_class__ { Block }
#   coroutine.send !? {
#     work { Block.__aenter__ Block.__aexit__ }
#   }
# }
