"""__getattr__ is called where an attribute is missing, __getattribute__ always."""


class Missing:
    def __getattr__(self, name):
        if name == "no":
            raise AttributeError(name)
        return 1


class Always:
    def __getattribute__(self, name):
        return 1


class Setting:
    def __setattr__(self, name, value):
        abs(value)

    def __delattr__(self, name):
        pass


Missing().x
getattr(Missing(), "no", None)
hasattr(Missing(), "no")
Always().x
setting = Setting()
setting.x = 1
setattr(setting, "y", 2)
del setting.x

# expect:
# <module> {
#   builtins.__build_class__ { Missing }
#   builtins.__build_class__ { Always }
#   builtins.__build_class__ { Setting }
#   Missing.__getattr__
#   builtins.getattr { Missing.__getattr__ !AttributeError }
#   builtins.hasattr { Missing.__getattr__ !AttributeError }
#   Always.__getattribute__
#   Setting.__setattr__ { builtins.abs }
#   builtins.setattr {
#     Setting.__setattr__ { builtins.abs }
#   }
#   Setting.__delattr__
# }
