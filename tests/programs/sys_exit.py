"""sys.exit ends the module by SystemExit."""
import sys


def leave():
    sys.exit(0)


leave()

# expect:
# <module> !SystemExit {
#   leave !SystemExit { sys.exit !? }
# }
