"""exec() and eval() are C functions; what they run are modules and expressions."""


def f(x):
    return x


exec("f(1)")
eval("f(2) + f(3)")
code = compile("def g():\n    return f(4)\ng()\n", "<made>", "exec")
exec(code)
g()
exec("raise_ = 1; f(5)", {"f": f, "__name__": "__main__"})

# expect:
# <module> {
#   builtins.exec { <module> { f } }
#   builtins.eval { <module> { f x2 } }
#   builtins.compile
#   builtins.exec { <module> { g { f } } }
#   g { f }
#   builtins.exec { <module> { f } }
# }
