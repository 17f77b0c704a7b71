"""A coroutine that nobody awaits makes no call of its function."""
import warnings

warnings.simplefilter("ignore")


async def never():
    abs(1)


def work():
    never()
    len("x")


work()

# expect:
# <module> {
#   @<3.14 warnings:simplefilter
#   @>=3.14 _py_warnings:simplefilter
#   work {
#     @<3.14 warnings:_warn_unawaited_coroutine
#     @>=3.14 _py_warnings:_warn_unawaited_coroutine
#     builtins.len
#   }
# }
