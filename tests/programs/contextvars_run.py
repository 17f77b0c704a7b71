"""A function run in a context is called by the C method that runs it."""
import contextvars

variable = contextvars.ContextVar("variable")


def work():
    variable.set(1)


contextvars.copy_context().run(work)

# expect:
# <module> {
#   _contextvars.copy_context
#   Context.run { work { ContextVar.set } }
# }
