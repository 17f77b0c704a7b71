"""Making a class calls its metaclass: __prepare__, __new__, __init__; __call__ makes things."""


class Meta(type):
    @classmethod
    def __prepare__(mcls, name, bases):
        return {}

    def __new__(mcls, name, bases, namespace):
        return super().__new__(mcls, name, bases, namespace)

    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)

    def __call__(cls):
        return super().__call__()


class Thing(metaclass=Meta):
    def __init__(self):
        pass


Thing()

# expect:
# <module> {
#   builtins.__build_class__ { Meta }
#   builtins.__build_class__ {
#     Meta.__prepare__
#     Thing
#     Meta.__new__ { type.__new__ }
#     Meta.__init__
#   }
#   Meta.__call__ { Thing.__init__ }
# }
