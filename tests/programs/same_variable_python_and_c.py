"""What a variable holds may be a Python function now and a C function next time."""


def f(x):
    return x


f.arguments = (1,)


def call(function, x):
    return function(x)


def spread(function, args, **named):
    return function(*args, **named)


def spread_attribute(function):
    return function(*f.arguments)


for _ in range(3):
    for function in (f, f, abs):
        call(function, 1)
        spread(function, (1,))
        spread_attribute(function)
    spread(f, (), x=2)

# expect:
# <module> {
#   call { f }
#   spread { f }
#   spread_attribute { f }
#   call { f }
#   spread { f }
#   spread_attribute { f }
#   call { builtins.abs }
#   spread { builtins.abs }
#   spread_attribute { builtins.abs }
#   spread { f }
#   call { f }
#   spread { f }
#   spread_attribute { f }
#   call { f }
#   spread { f }
#   spread_attribute { f }
#   call { builtins.abs }
#   spread { builtins.abs }
#   spread_attribute { builtins.abs }
#   spread { f }
#   call { f }
#   spread { f }
#   spread_attribute { f }
#   call { f }
#   spread { f }
#   spread_attribute { f }
#   call { builtins.abs }
#   spread { builtins.abs }
#   spread_attribute { builtins.abs }
#   spread { f }
# }
