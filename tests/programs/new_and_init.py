"""object.__new__ is named by the type that defines it, whatever it makes."""


class Thing:
    def __new__(cls, value):
        return super().__new__(cls)

    def __init__(self, value):
        self.value = value


class Number(int):
    def __new__(cls, value):
        return int.__new__(cls, value)


class Mine(list):
    def append(self, x):
        super().append(x)


Thing(1)
Number(2)
Mine().append(1)
bound = Mine().extend
bound([1])
dict.fromkeys("ab")
str.maketrans("a", "b")

# expect:
# <module> {
#   builtins.__build_class__ { Thing }
#   builtins.__build_class__ { Number }
#   builtins.__build_class__ { Mine }
#   Thing.__new__ { object.__new__ }
#   Thing.__init__
#   Number.__new__ { int.__new__ }
#   Mine.append { list.append }
#   list.extend
#   dict.fromkeys
#   str.maketrans
# }
