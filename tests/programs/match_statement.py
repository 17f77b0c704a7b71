"""A match statement reads attributes, which may be properties."""


class Point:
    __match_args__ = ("x",)

    @property
    def x(self):
        return 1


def work(point):
    match point:
        case Point(2):
            return 0
        case Point(x=1):
            return len("x")


work(Point())

# expect:
# <module> {
#   builtins.__build_class__ { Point }
#   work { Point.x x2 builtins.len }
# }
