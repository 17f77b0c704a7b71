"""A function given to re.sub is called by the C function that matches."""
import re

pattern = re.compile("[a-z]")


def upper(match):
    return match.group().upper()


pattern.sub(upper, "ab")

# expect:
# <module> {
#   re:compile
#   Pattern.sub { upper x2 { Match.group str.upper } }
# }
