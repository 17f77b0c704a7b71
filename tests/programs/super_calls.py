"""super() reaches each method of the chain."""


class A:
    def work(self):
        return 1


class B(A):
    def work(self):
        return super().work()


class C(A):
    def work(self):
        return super().work()


class D(B, C):
    def work(self):
        return super().work()


D().work()

# expect:
# <module> {
#   builtins.__build_class__ { A }
#   builtins.__build_class__ { B }
#   builtins.__build_class__ { C }
#   builtins.__build_class__ { D }
#   D.work { B.work { C.work { A.work } } }
# }
