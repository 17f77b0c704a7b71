"""The methods that dataclasses make are functions of the program."""
from dataclasses import dataclass


@dataclass
class Point:
    x: int
    y: int

    def __post_init__(self):
        abs(self.x)


def work():
    a = Point(1, 2)
    return a == Point(1, 2)


work()

# expect:
# <module> {
#   builtins.__build_class__ { Point }
#   dataclasses:dataclass {
#     @>=3.14 Point.__annotate__
#   }
#   work {
#     __create_fn__.<locals>.__init__ x2 {
#       Point.__post_init__ { builtins.abs }
#     }
#     __create_fn__.<locals>.__eq__
#   }
# }
