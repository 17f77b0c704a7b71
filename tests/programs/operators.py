"""Operators call the methods of their operands, with no C function between."""


class Number:
    def __init__(self, n):
        self.n = n

    def __add__(self, other):
        return Number(self.n + other.n)

    def __eq__(self, other):
        return self.n == other.n

    def __hash__(self):
        return hash(self.n)

    def __lt__(self, other):
        return self.n < other.n

    def __bool__(self):
        return self.n != 0

    def __getitem__(self, key):
        return key

    def __contains__(self, item):
        return True

    def __len__(self):
        return 3

    def __index__(self):
        return self.n


a, b = Number(1), Number(2)
a + b
a == b
{a: 1}
a < b
not a
a[0]
5 in a
len(a)
[0, 1, 2][a]
sorted([b, a])
[a].index(b) if False else [a].count(b)

# expect:
# <module> {
#   builtins.__build_class__ { Number }
#   Number.__init__ x2
#   Number.__add__ { Number.__init__ }
#   Number.__eq__
#   Number.__hash__ { builtins.hash }
#   Number.__lt__
#   Number.__bool__
#   Number.__getitem__
#   Number.__contains__
#   builtins.len { Number.__len__ }
#   Number.__index__
#   builtins.sorted { Number.__lt__ }
#   list.count { Number.__eq__ }
# }
